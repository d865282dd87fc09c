"""Versions of workers: the rollout plan that says which gets new calls, how it is changed, and when it is undone."""
