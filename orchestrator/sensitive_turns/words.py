"""What the sensitive turns of a call brought. The state has it encrypted, so that later turns can hide it, too."""

import json
from collections.abc import Iterator
from typing import Any

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher

MOST_TURNS = 50
"""Of so many sensitive turns, the latest, it is known what they brought."""


def words_of(turn: Turn) -> list[str]:
    """Return what an opened `turn` brought: its text first, if that is no name."""
    text = turn.text if turn.has_words else ""
    return list(dict.fromkeys(words for words in (text, turn.digits, *words_in(turn.data)) if words))


def hidden_words(state: ConversationState, cipher: Cipher | None) -> dict[str, list[str]]:
    """Return what the sensitive turns of the call brought, by turn id, each with its text first.

    Raise `UnreadableSeal` if no key opens it. Without a cipher nothing is known.
    """
    if cipher is None:
        return {}
    place = words_place(state.call_sid)
    entries = [json.loads(cipher.open(place, sealed.encode())) for sealed in state.hidden_words]
    return {entry["turn_id"]: entry["words"] for entry in entries}


def sealed_words_of(call_sid: str, turn_id: str, words: list[str], cipher: Cipher) -> str:
    """Return what a turn brought as an entry of `hidden_words`."""
    entry = json.dumps({"turn_id": turn_id, "words": words}, separators=(",", ":"))
    return cipher.seal(words_place(call_sid), entry.encode()).decode()


def with_entry(entries: list[str], entry: str) -> list[str]:
    """Return `entries` of `hidden_words` with one more; the oldest leave."""
    return [*entries, entry][-MOST_TURNS:]


def words_in(value: Any) -> Iterator[str]:
    """Yield the texts and numbers in a JSON value, as text."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from words_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words_in(inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def words_place(call_sid: str) -> str:
    """Return what the encrypted words of a call are bound to."""
    return f"{call_sid}/words"
