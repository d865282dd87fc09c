"""Outboxes in Redis, each in the slot of its call."""
