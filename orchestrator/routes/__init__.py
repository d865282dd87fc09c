"""Which agent answers a call, with which voice, and whose call it is."""
