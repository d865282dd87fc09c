"""The history in Redis, where all processes add to it."""
