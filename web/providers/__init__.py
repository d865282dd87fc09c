"""Other providers whose webhooks are nearly Twilio's: the same webhooks under their own prefixes, and what differs."""
