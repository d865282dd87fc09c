"""The telephone provider's REST API, as ingresses and workers use it: calls and text messages."""
