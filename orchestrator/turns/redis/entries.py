"""The entries of a call's hash of turns, as they are stored. They are not trusted: others can write to Redis, too.

With encryption keys each is encrypted under its place. Of a waiting turn stays readable what scripts look for: when it
was received (rebuild_inbox.lua), its kind, and what an interruption is about (call_next.lua), with its id, because a
script also returns an entry whose id nobody asked for.
"""

import json
from typing import Any

from pydantic import ValidationError

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.envelope import is_sealed
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.sensitive_turns.resealing import resealed_words

WAITING = b"P"
RECORDED = b"R"


class Entries:
    """Encodes and decodes entries. The mark that says which kind an entry is stands before it, and is not part of it.

    Where a key is missing, decoding raises `UnreadableSeal`: another process may have it.
    """

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def sealed_turn(self, turn: Turn, now: float) -> str | bytes:
        """Return the JSON of a turn that is submitted `now` (Unix seconds), as it is stored."""
        text = turn.submitted_json_at(now)
        if not self._cipher.encrypts:
            return text
        return self._cipher.seal(_place(turn.call_sid, turn.turn_id), text.encode(), _readable(turn))

    def sealed_result(self, call_sid: str, turn_id: str, text: str) -> str | bytes:
        """Return `text`, the JSON of a result, as it is stored."""
        return self._cipher.seal(_place(call_sid, turn_id), text.encode()) if self._cipher.encrypts else text

    def waiting_turn(self, call_sid: str, turn_id: bytes | str, body: bytes) -> Turn | None:
        """Return the waiting turn. None if the body is not a turn, or has another id: nobody could settle it."""
        turn = self._turn(call_sid, text_of(turn_id), body)
        wanted = turn_id if isinstance(turn_id, bytes) else turn_id.encode(errors="replace")
        if turn is None or turn.call_sid != call_sid or turn.turn_id.encode(errors="replace") != wanted:
            return None
        return turn

    def interruption(self, call_sid: str, body: bytes) -> Turn | None:
        """Return the turn in `body`, whatever its id; None if there is none, or it cannot be read here."""
        try:
            return self._turn(call_sid, _named_in(body), body) if body else None
        except UnreadableSeal:
            return None

    def result(self, call_sid: str, turn_id: str, body: bytes) -> TurnResult | None:
        """Return the recorded result; None if it cannot be read."""
        text = self._opened(call_sid, turn_id, body)
        try:
            return None if text is None else TurnResult.model_validate_json(text)
        except ValidationError:
            return None

    def _turn(self, call_sid: str, turn_id: str, body: bytes) -> Turn | None:
        text = self._opened(call_sid, turn_id, body)
        try:
            return Turn.model_validate_json(text) if text else None
        except ValidationError:
            return None

    def _opened(self, call_sid: str, turn_id: str, body: bytes) -> bytes | None:
        """Return what was sealed; None if it was damaged or moved, or is plain and must not be."""
        try:
            return self._cipher.open(_place(call_sid, turn_id), body)
        except UnreadableSeal as error:
            if error.is_key_missing:
                raise
            return None


def resealed_entry(
    cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None
) -> bytes | None:
    """Return the entry `field` of the hash `key` as this process would write it; None if it is like that already.

    So is what sensitive turns brought, with the cipher `sensitive`. Raise `UnreadableSeal`, and ValueError for what is
    no entry.
    """
    mark, body = stored[:1], stored[1:]
    if mark not in (WAITING, RECORDED):
        raise ValueError("It is no entry of a turn.")
    place = f"{key}/{field}"
    text = cipher.open(place, body)
    inner = text if sensitive is None else resealed_words(_call_sid_in(key), text, sensitive)
    if inner is text and cipher.is_current(body):
        return None
    clear = _readable(Turn.model_validate_json(inner)) if mark == WAITING else None
    return mark + cipher.seal(place, inner, clear)


def _call_sid_in(key: str) -> str:
    """Return whose entries the hash has."""
    return key.removeprefix("{" + keys.STATE_PREFIX).rpartition("}:")[0]


def _place(call_sid: str, turn_id: str) -> str:
    return f"{keys.call(call_sid).turns}/{turn_id}"


def _readable(turn: Turn) -> dict[str, Any]:
    received_at = turn.received_at.isoformat().replace("+00:00", "Z")  # as pydantic writes it
    fields: dict[str, Any] = {"turn_id": turn.turn_id, "kind": turn.kind, "received_at": received_at}
    if turn.interrupts is not None:
        fields["interrupts"] = turn.interrupts
    if turn.interrupt:
        fields["interrupt"] = True
    return fields


def _named_in(body: bytes) -> str:
    """Return the id in a waiting turn that is encrypted; "" in any other."""
    if not is_sealed(body):
        return ""
    try:
        return str(json.loads(body)["turn_id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
