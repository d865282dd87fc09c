"""Outbound calls: requested over the API, placed at the provider, answered like any other call."""
