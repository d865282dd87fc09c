"""Text messages that agents send: each is posted to the provider at most once, and what became of it is told."""
