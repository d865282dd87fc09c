"""From what a model writes to what is said: one filter over text that comes in pieces.

speech_filter  the filter              cursor     where it stands
regions        stretches that are not said: thoughts, code, calls
line_marks     what begins a line      emphasis   what stands around words
tags           tags and tokens         tool_text  calls of tools that were written instead of made
thoughts       thoughts whose opening tag is missing       symbols  emoji and entities
"""

from orchestrator.agents.spoken_text.speech_filter import SpeechFilter
from orchestrator.agents.spoken_text.thoughts import UntaggedThoughts
from orchestrator.agents.spoken_text.tool_text import TextCall

__all__ = ["SpeechFilter", "TextCall", "UntaggedThoughts"]
