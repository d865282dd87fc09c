"""Outbound calls: ordered over the API, placed at the provider, answered like any other."""
