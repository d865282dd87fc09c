"""The TwiML of an ordinary reply: words, and a `<Gather>` for the answer to them.

Nearly every reply is one. It is written here without a tree of elements, byte for byte as the provider's library
(`web.twilio.twiml`) would write it.
"""

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from orchestrator.conversation.actions import Gather
from web.twilio.language import Languages
from web.twilio.sentences import printable

INPUT = {"speech": "speech", "keys": "dtmf", "both": "dtmf speech"}
"""The values of a `<Gather>`'s `input`."""

_SPECIAL = re.compile('[&<>"\r\n\t]')
_IN_ATTRIBUTES = {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#09;"}


def ask_plainly(said: Iterable[str], options: Gather, next_turn: int, languages: Languages) -> str:
    """Return TwiML that says each text of `said`, and gathers the caller's answer as the turn `next_turn`.

    The texts hold no character that XML forbids. The caller can interrupt all of them.
    """
    path, spoken = languages.turn_path(next_turn), languages.spoken
    language = f' language="{_attribute(spoken.language)}"' if spoken.language else ""
    voice = f' voice="{_attribute(spoken.voice)}"' if spoken.voice else ""
    says = "".join([f"<Say{language}{voice}>{_content(text)}</Say>" for text in said])
    content = f">{says}</Gather>" if says else " />"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Response><Gather{_attributes(options, path, languages)}{content}'
        f'<Redirect method="POST">{_content(path)}</Redirect></Response>'
    )


def _attributes(options: Gather, path: str, languages: Languages) -> str:
    """Return the attributes of the Gather, sorted by name."""
    keys, speech, heard = options.input != "speech", options.input != "keys", languages.heard(options.language)
    key, language = options.finish_on_key, options.language or languages.recognised
    hints = "" if languages.sensitive else printable(", ".join(options.hints) or heard.hints)
    written = [
        f' action="{_attribute(path)}" actionOnEmptyResult="true"',
        f' finishOnKey="{_attribute(printable(key))}"' if keys else "",
        f' {heard.hints_name}="{_attribute(hints)}"' if speech and hints else "",
        f' input="{INPUT[options.input]}"',
        f' language="{_attribute(printable(language))}"' if speech and language else "",
        ' method="POST"',
        f' numDigits="{options.num_digits}"' if keys and options.num_digits is not None else "",
        f' speechTimeout="{heard.speech_timeout}"' if speech else "",
        f' timeout="{options.timeout_seconds}"',
    ]
    if speech and heard.attributes:
        written = sorted(written + [f' {name}="{_attribute(value)}"' for name, value in heard.attributes.items()])
    return "".join(written)


def _content(text: str) -> str:
    return escape(text) if _SPECIAL.search(text) else text


def _attribute(text: str) -> str:
    return escape(text, _IN_ATTRIBUTES) if _SPECIAL.search(text) else text
