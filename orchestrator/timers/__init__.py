"""Timers of calls: what fires them."""
