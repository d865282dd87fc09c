"""What a worker hears that is told to drain."""

DRAIN_MESSAGE = b'{"drain": true}'
"""The message to a worker that it is to drain. It may get lost: with each report the worker looks for the order."""
