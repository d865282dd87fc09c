"""The ids that turns get from the channels."""

START = "start"
"""The beginning of a call, over whichever channel."""
