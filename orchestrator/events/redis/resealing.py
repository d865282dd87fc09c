"""Writes what lies encrypted in an outbox, or in the list of stopped sinks, anew under another key."""

import json
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.events.redis.sealed_parts import error_place, event_place, head_place


def sealed_in_outbox(field: str, stored: bytes) -> list[bytes]:
    """Return what is encrypted in this field of an outbox, or would be with keys. Raise ValueError if it is damaged."""
    kind = field.partition(":")[0]
    if kind == "e":
        return [stored.partition(b"\n")[2]]
    if kind == "head":
        return [stored]
    if kind in ("f", "d"):
        error = _failures(stored).get("error")
        return [error.encode()] if isinstance(error, str) and error else []
    return [_head(life).encode() for life in _lives(stored)] if field == "unended" else []


def resealed_in_outbox(
    cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None
) -> bytes | None:
    """Return the field of the outbox `key` as this process would write it; None if it is like that already.

    Nothing is encrypted inside an event. Raise `UnreadableSeal`, and ValueError for what is damaged.
    """
    if all(cipher.is_current(part) for part in sealed_in_outbox(field, stored)):
        return None
    kind, _, rest = field.partition(":")
    if kind == "e":
        header, _, body = stored.partition(b"\n")
        return header + b"\n" + _resealed(cipher, event_place(key), body)
    if kind == "head":
        return _resealed(cipher, head_place(key), stored)
    if kind in ("f", "d"):
        fields, sink = _failures(stored), rest if kind == "f" else rest.partition(":")[2]
        error = _resealed(cipher, error_place(key, sink), fields["error"].encode())
        return json.dumps({**fields, "error": error.decode()}).encode()
    lives = [
        {**life, "head": _resealed(cipher, head_place(key), _head(life).encode()).decode()} for life in _lives(stored)
    ]
    return json.dumps(lives).encode()


def resealed_value(
    cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None
) -> bytes | None:
    """Return a value that is bound to `key/field`, or to `key` alone, as this process would write it, or None."""
    if cipher.is_current(stored):
        return None
    return _resealed(cipher, f"{key}/{field}" if field else key, stored)


def _resealed(cipher: Cipher, place: str, stored: bytes) -> bytes:
    return cipher.seal(place, cipher.open(place, stored))


def _failures(stored: bytes) -> dict[str, Any]:
    found = json.loads(stored)
    if not isinstance(found, dict):
        raise ValueError("These are no failures.")
    return found


def _lives(stored: bytes) -> list[dict[str, Any]]:
    found = json.loads(stored)
    if not isinstance(found, list) or not all(isinstance(life, dict) for life in found):
        raise ValueError("These are no lives.")
    return found


def _head(life: dict[str, Any]) -> str:
    head = life.get("head")
    if not isinstance(head, str):
        raise ValueError("A life has no head.")
    return head
