"""Other providers of Twilio's dialect: the same webhooks on their own routes. What differs is a small part each."""
