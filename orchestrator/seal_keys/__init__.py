"""The keys with which ingresses seal what leaves them and comes back, shared where the settings have none."""
