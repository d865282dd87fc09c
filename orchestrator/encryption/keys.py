"""The encryption keys, as `STATE_ENCRYPTION_KEYS` names them: the first encrypts, all decrypt."""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

KEY_BYTES = 32
ID_BYTES = 4
MOST_KEYS = 8
PLAIN = "plain"
"""Stands in the list for no encryption: what is not encrypted may be read, and is written if it stands first."""

_HOW = f"must be keys of {KEY_BYTES} random bytes in base64, separated by commas (voiceagent encryption new-key)"


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key, and the `id` by which what it encrypted names it: a part of its hash, which does not reveal it."""

    secret: bytes = field(repr=False)
    id: bytes

    @classmethod
    def of(cls, secret: bytes) -> "EncryptionKey":
        """Return the key with its id."""
        return cls(secret, hashlib.sha256(b"voiceagent encryption key id " + secret).digest()[:ID_BYTES])


@dataclass(frozen=True, slots=True)
class KeyList:
    """The keys of a process: `first` encrypts, None if nothing is encrypted; `all` decrypt. With `reads_plain`, what is
    not encrypted is read, too."""

    first: EncryptionKey | None
    all: tuple[EncryptionKey, ...]
    reads_plain: bool

    @property
    def ids(self) -> list[str]:
        """Return the ids of the keys and `plain`, in the order of the setting as far as that matters: what is written
        first."""
        names = [key.id.hex() for key in self.all]
        if not self.reads_plain:
            return names
        return [PLAIN, *names] if self.first is None else [*names, PLAIN]


NO_KEYS = KeyList(None, (), reads_plain=True)


@lru_cache(maxsize=16)
def key_list(text: str) -> KeyList:
    """Return the keys in `text`, as `STATE_ENCRYPTION_KEYS` has them. Raise ValueError."""
    entries = [entry.strip() for entry in text.split(",")]
    keys = [_key(entry) for entry in entries if entry != PLAIN]
    if len(set(keys)) != len(keys) or entries.count(PLAIN) > 1:
        raise ValueError("must not name a key twice")
    if len(keys) > MOST_KEYS:
        raise ValueError(f"must not have more than {MOST_KEYS} keys: remove those that encrypt nothing any more")
    first = None if entries[0] == PLAIN else keys[0]
    return KeyList(first, tuple(keys), reads_plain=PLAIN in entries)


def new_key() -> str:
    """Return a new random key, as `STATE_ENCRYPTION_KEYS` takes it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _key(entry: str) -> EncryptionKey:
    try:
        secret = base64.b64decode(entry.replace("-", "+").replace("_", "/") + "=" * (-len(entry) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(_HOW) from None
    if len(secret) != KEY_BYTES:
        raise ValueError(_HOW)
    return EncryptionKey.of(secret)
