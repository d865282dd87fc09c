"""How an encrypted value looks: a JSON object whose last field, `sealed`, is base64.

    {"version":12,"sealed":"…"}

The fields before it stay readable, for scripts. They are authenticated like the content. In `sealed` are the id of the
key (4 bytes), the salt (12) and the counter (8) from which key and nonce of this value follow, and the ciphertext with
its tag (AES-256-GCM, NIST SP 800-38D).
"""

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.encryption.keys import ID_BYTES, PLAIN

SALT_BYTES, COUNTER_BYTES, TAG_BYTES = 12, 8, 16
_FIELD, _END = b'"sealed":"', b'"}'
_HEADER = ID_BYTES + SALT_BYTES + COUNTER_BYTES


@dataclass(frozen=True, slots=True)
class Envelope:
    """An encrypted value. `front` is what stands before `sealed`, with the comma: it is authenticated."""

    front: bytes
    key_id: bytes
    salt: bytes
    counter: bytes
    ciphertext: bytes

    def pack(self) -> bytes:
        """Return the JSON."""
        sealed = binascii.b2a_base64(self.key_id + self.salt + self.counter + self.ciphertext, newline=False)
        return self.front + _FIELD + sealed + _END

    @classmethod
    def unpack(cls, stored: bytes) -> "Envelope | None":
        """Return the envelope in `stored`; None if that is none, or damaged."""
        if not is_sealed(stored):
            return None
        at = stored.rfind(_FIELD)
        try:
            sealed = binascii.a2b_base64(stored[at + len(_FIELD) : -len(_END)], strict_mode=True)
        except binascii.Error:
            return None
        if len(sealed) <= _HEADER:
            return None
        salt_at, counter_at = ID_BYTES, ID_BYTES + SALT_BYTES
        return cls(
            stored[:at], sealed[:salt_at], sealed[salt_at:counter_at], sealed[counter_at:_HEADER], sealed[_HEADER:]
        )


def front_of(clear: Mapping[str, Any] | None) -> bytes:
    """Return the beginning of an envelope that keeps the fields `clear` readable."""
    if not clear:
        return b"{"
    return json.dumps(clear, separators=(",", ":")).encode()[:-1] + b","


def is_sealed(stored: bytes) -> bool:
    """True if `stored` is an envelope by its looks. No JSON of ours ends in a field `sealed` with such a text."""
    if not stored.endswith(_END):
        return False
    at = stored.rfind(b'"', 0, -len(_END))
    return at >= 0 and stored[at + 1 - len(_FIELD) : at + 1] == _FIELD


def content_length(stored: bytes) -> int:
    """Return how many bytes long the content of `stored` is, without opening it: an envelope is a third longer."""
    if not is_sealed(stored):
        return len(stored)
    at = stored.rfind(_FIELD) + len(_FIELD)
    return max(0, (len(stored) - at - len(_END)) * 3 // 4 - _HEADER - TAG_BYTES)


def key_id_of(stored: bytes) -> str:
    """Return the id of the key under which `stored` is encrypted: `plain` if it is not, `damaged` if it cannot be."""
    if not is_sealed(stored):
        return PLAIN
    envelope = Envelope.unpack(stored)
    return "damaged" if envelope is None else envelope.key_id.hex()
