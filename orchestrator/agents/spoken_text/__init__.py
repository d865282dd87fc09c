"""From what a model writes to what is said: one filter over text that arrives in pieces.

speech_filter  the filter
cursor         its place in the text
regions        regions that are not said: thoughts, code, calls
roles          whose words follow a special token
tags           tags and special tokens
line_marks     Markdown at the beginning of a line
emphasis       Markdown around words
links          links and addresses
symbols        emoji and entities
thoughts       thoughts without an opening tag
tool_text      tool calls that were written instead of made
"""

from orchestrator.agents.spoken_text.speech_filter import SpeechFilter
from orchestrator.agents.spoken_text.thoughts import UntaggedThoughts
from orchestrator.agents.spoken_text.tool_text import TextCall

__all__ = ["SpeechFilter", "TextCall", "UntaggedThoughts"]
