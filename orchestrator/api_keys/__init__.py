"""The keys of the API: who may do what."""
