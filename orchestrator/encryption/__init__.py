"""Encryption of what is stored and published: keys, envelopes, ciphers. It knows nothing of Redis, calls or turns."""
