"""The TwiML of an ordinary reply: words, and a `<Gather>` for the answer to them.

Nearly every reply is one. It is written here without a tree of elements, byte for byte as the provider's library
(`web.twilio.twiml`) would write it.
"""

from collections.abc import Iterable
from xml.sax.saxutils import escape

from orchestrator.conversation.actions import Gather
from web.twilio.language import Languages
from web.twilio.sentences import printable

INPUT = {"speech": "speech", "keys": "dtmf", "both": "dtmf speech"}
"""The values of a `<Gather>`'s `input`."""

_IN_ATTRIBUTES = {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#09;"}


def ask_plainly(said: Iterable[str], options: Gather, next_turn: int, languages: Languages) -> str:
    """Return TwiML that says each text of `said`, and gathers the caller's answer as the turn `next_turn`.

    The texts hold no character that XML forbids. The caller can interrupt all of them.
    """
    path = languages.turn_path(next_turn)
    spoken = f' language="{_attribute(languages.speech)}"' if languages.speech else ""
    says = "".join([f"<Say{spoken}>{escape(text)}</Say>" for text in said])
    content = f">{says}</Gather>" if says else " />"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Response><Gather{_attributes(options, path, languages)}{content}'
        f'<Redirect method="POST">{escape(path)}</Redirect></Response>'
    )


def _attributes(options: Gather, path: str, languages: Languages) -> str:
    """Return the attributes of the Gather, sorted by name."""
    keys, speech = options.input != "speech", options.input != "keys"
    key, hints, language = options.finish_on_key, ", ".join(options.hints), options.language or languages.recognition
    return "".join(
        [
            f' action="{_attribute(path)}" actionOnEmptyResult="true"',
            f' finishOnKey="{_attribute(printable(key))}"' if keys else "",
            f' hints="{_attribute(shown)}"' if speech and (shown := printable(hints)) else "",
            f' input="{INPUT[options.input]}"',
            f' language="{_attribute(printable(language))}"' if speech and language else "",
            ' method="POST"',
            f' numDigits="{options.num_digits}"' if keys and options.num_digits is not None else "",
            ' speechTimeout="auto"' if speech else "",
            f' timeout="{options.timeout_seconds}"',
        ]
    )


def _attribute(text: str) -> str:
    return escape(text, _IN_ATTRIBUTES)
