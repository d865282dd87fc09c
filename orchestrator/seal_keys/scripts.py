"""The call of the script that exchanges seal keys. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script


def exchange_seal_keys(
    *, proposed: str, used: Sequence[str], life_ms: int, most_fields: int, cipher: Cipher
) -> ScriptCall[tuple[int, bytes, tuple[bytes, ...]]]:
    """Propose a seal key ("" for none) and say which keys were `used` before.

    How long ago (ms) the exchange began, the current key or b"", and the others that are in use, as they are stored.
    """
    stored = _sealed(cipher, proposed) if proposed else ""
    others = [part for key in used for part in (_hash(key), _sealed(cipher, key))]
    hashed = _hash(proposed) if proposed and cipher.encrypts else ""
    return ScriptCall(
        lua_script("exchange_seal_keys"), [keys.SEAL_KEYS], [stored, life_ms, most_fields, hashed, *others], _seal_keys
    )


def _sealed(cipher: Cipher, key: str) -> bytes:
    """Return a key as it is stored. All are bound to one place: which of them is the current one is no secret."""
    return cipher.seal(keys.SEAL_KEYS, key.encode())


def _hash(key: str) -> str:
    """Return the name under which a key is stored. It has too many random bits to be found by trying."""
    return sha1(key.encode()).hexdigest()


def _seal_keys(reply: Sequence[Any]) -> tuple[int, bytes, tuple[bytes, ...]]:
    age_ms, current, *others = (part.encode() if isinstance(part, str) else part for part in reply)
    return int(age_ms), current, tuple(others)
