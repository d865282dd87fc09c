"""Hides what a sensitive turn brings, and opens it again for the agent."""

import json
from typing import Any

from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal

_NAMED = ("signal", "timer", "activity")
"""Kinds whose text is a name that the program gave."""


def hidden(turn: Turn, cipher: Cipher | None) -> Turn:
    """Return `turn` as it is stored, published and shown: without what it brings, which is in `sealed_words`.

    Without a cipher what it brings is lost, and the turn `is_lost`. A turn that is hidden already stays as it is. The
    name of a signal, timer or activity is not hidden, its data is.
    """
    if turn.sensitive and (turn.sealed_words or turn.text == HIDDEN):
        return turn
    if turn.sealed_words and cipher is not None:
        turn = opened(turn, cipher)
    brought: dict[str, Any] = {
        "text": turn.text if turn.kind not in _NAMED else "", "digits": turn.digits, "confidence": turn.confidence,
        "data": turn.data, "unfinished": turn.unfinished,
    }  # fmt: skip
    if not any(brought.values()):
        return turn.model_copy(update={"sensitive": True})
    shown = turn.text if turn.kind in _NAMED and cipher is not None else HIDDEN
    hides: dict[str, Any] = {"text": shown, "digits": "", "confidence": None, "data": {}, "unfinished": {}}
    return turn.model_copy(update={**hides, "sensitive": True, "sealed_words": _sealed(turn, brought, cipher)})


def with_sealed_data(turn: Turn, cipher: Cipher) -> Turn:
    """Return a turn that is not sensitive, but whose data may repeat what such a turn brought, with that encrypted."""
    return turn.model_copy(update={"data": {}, "sealed_words": _sealed(turn, {"data": turn.data}, cipher)})


def opened(turn: Turn, cipher: Cipher | None) -> Turn:
    """Return `turn` as the agent gets it. Only what runs an agent may call this.

    Raise `UnreadableSeal` if no key opens it, and for a turn that `is_lost`.
    """
    if not turn.sealed_words:
        if is_lost(turn):
            raise UnreadableSeal("Its words are lost: they came where no key was set.")
        return turn
    if cipher is None:
        raise UnreadableSeal("It is a sensitive turn, and no key is set here.", is_key_missing=True)
    brought = json.loads(cipher.open(turn_place(turn.call_sid), turn.sealed_words.encode()))
    return turn.model_copy(update={**brought, "sealed_words": ""})


def is_lost(turn: Turn) -> bool:
    """True if `turn` is sensitive and was hidden without a cipher: nobody knows any more what it brought."""
    return turn.sensitive and turn.text == HIDDEN and not turn.sealed_words


def _sealed(turn: Turn, brought: dict[str, Any], cipher: Cipher | None) -> str:
    """Return what is not empty of `brought`, encrypted; "" without a cipher."""
    if cipher is None:
        return ""
    content = json.dumps({name: value for name, value in brought.items() if value}, separators=(",", ":"))
    return cipher.seal(turn_place(turn.call_sid), content.encode()).decode()


def turn_place(call_sid: str) -> str:
    """Return what the encrypted words of a turn, and of the timers and activities that bring one, are bound to."""
    return f"{call_sid}/turn"
