"""Rows of the database as they are kept with encryption keys: their words and numbers are encrypted.

`data` is then the envelope. `reason` and `phase` are null. In the columns of numbers lie keyed hashes, by which a
number is found that is searched for as a whole; nothing is found by words. Times, kinds, outcomes, agents and tenants
stay readable.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.keys import EncryptionKey
from orchestrator.records.storable import as_json

NUMBERS = ("from_number", "to_number")
HIDDEN_COLUMNS = (*NUMBERS, "reason", "phase")
_HASH = "#"
"""How a hash begins that stands for a number: no number begins so."""


def call_place(call_sid: str, life: datetime) -> str:
    """Return what the data of a call is bound to."""
    return f"records/{call_sid}/{life.astimezone(UTC).isoformat()}"


def turn_place(call_sid: str, life: datetime) -> str:
    """Return what the data of a call's turns is bound to."""
    return call_place(call_sid, life) + "/turn"


def event_place(event_id: str) -> str:
    """Return what the data of an event is bound to."""
    return f"records/event/{event_id}"


class SealedRows:
    """Encrypts and decrypts what rows hold. `open…` raises `UnreadableSeal`."""

    def __init__(self, cipher: Cipher) -> None:
        self.cipher = cipher

    @property
    def encrypts(self) -> bool:
        """True if rows are written encrypted: then nobody can search for words."""
        return self.cipher.encrypts

    def seal(self, place: str, data: str) -> str:
        """Return the JSON `data` as it is kept."""
        return self.cipher.seal(place, data.encode()).decode() if self.encrypts else data

    def open(self, place: str, data: str) -> str:
        """Return the JSON of what is kept."""
        return self.cipher.open(place, _envelope_or_json(data)).decode()

    def is_current(self, data: str) -> bool:
        """True if `data` is kept as `seal` would write it now."""
        return self.cipher.is_current(_envelope_or_json(data))

    def columns(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Return the searched columns of a call as they are kept."""
        if not self.encrypts:
            return dict(columns)
        first = self.cipher.keys.first
        hashes = {name: _hashed(first, columns[name]) for name in NUMBERS if columns.get(name)}
        return {**columns, **dict.fromkeys(HIDDEN_COLUMNS), **hashes}

    def number_values(self, number: str) -> list[str]:
        """Return what a column may hold for this number."""
        return [number, *(_hashed(key, number) for key in self.cipher.keys.all)]

    def open_record(self, text: str) -> dict[str, Any]:
        """Return the record in `text`, as the database wrote it, with all of it decrypted."""
        kept: dict[str, Any] = json.loads(text)
        life = datetime.fromisoformat(str(kept["started_at"]))
        call_sid, of_turns = str(kept["call_sid"]), turn_place(str(kept["call_sid"]), life)
        turns = [json.loads(self.open(of_turns, as_json(turn))) for turn in kept["turns"]]
        if "sealed" not in kept:
            return {**kept, "turns": turns}
        data = json.loads(self.open(call_place(call_sid, life), as_json({"sealed": kept["sealed"]})))
        head = {name: value for name, value in kept.items() if name not in ("sealed", "turns")}
        return {**head, **data, "turns": turns}


def _envelope_or_json(data: str) -> bytes:
    """Return what was kept. PostgreSQL writes jsonb with blanks, which no envelope has."""
    fields = json.loads(data)
    return as_json(fields).encode() if isinstance(fields, dict) and fields.keys() == {"sealed"} else data.encode()


def _hashed(key: EncryptionKey | None, number: str) -> str:
    assert key is not None, "it encrypts"
    return _HASH + hmac.digest(key.secret, b"voiceagent number in a record " + number.encode(), hashlib.sha256).hex()
