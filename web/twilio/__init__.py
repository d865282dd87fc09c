"""Twilio's dialect: signed form webhooks in, TwiML out."""
