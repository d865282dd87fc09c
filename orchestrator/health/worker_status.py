"""A worker's status as Redis has it: JSON. What is being said in its calls is encrypted, if it has encryption keys."""

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys
from orchestrator.redis.stored_objects import stored_object

WORDS = "turns"
"""The field that has callers' words."""


def status_text(cipher: Cipher, worker_id: str, status: Mapping[str, Any]) -> str | bytes:
    """Return the status as it is stored."""
    if WORDS not in status or not cipher.encrypts:
        return json.dumps(status)
    clear = {name: value for name, value in status.items() if name != WORDS}
    return cipher.seal(keys.worker_status(worker_id), json.dumps({WORDS: status[WORDS]}).encode(), clear)


def read_status(cipher: Cipher, worker_id: str, stored: Any) -> dict[str, Any]:
    """Return the status, without what cannot be decrypted; {} if it is no JSON that can be passed on."""
    status = stored_object(stored) if isinstance(stored, bytes | str) else {}
    if status.pop("sealed", None) is not None:
        status |= _opened(cipher, worker_id, stored)
    return status


def _opened(cipher: Cipher, worker_id: str, stored: bytes | str) -> dict[str, Any]:
    text = stored.encode() if isinstance(stored, str) else stored
    try:
        return stored_object(cipher.open(keys.worker_status(worker_id), text))
    except UnreadableSeal:
        return {}
