"""API keys: each has a name, scopes, and a secret of which the server knows the SHA-256 alone.

A secret has 256 random bits. So a plain hash keeps it: there is nothing to guess, and nothing to slow down.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Literal, get_args

Scope = Literal["read", "converse", "dial", "control", "admin"]
"""What a key may do.

- `read`: see calls, records, events, versions, metrics and health, telephone numbers masked;
- `converse`: send text turns;
- `dial`: place calls;
- `control`: send signals, speak in a call by hand, transfer it, hang up, delete it;
- `admin`: all of that, whole numbers, and replay or drop events, resume sinks, roll versions out.
"""
SCOPES: tuple[Scope, ...] = get_args(Scope)
SECRET_PREFIX = "va_"  # so that a secret that lies about is recognised
LONGEST_NAME = 40
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_DIGEST_LENGTH = 64
_SHAPE = "NAME:SCOPE:SHA256, as `voiceagent api-keys new` prints it"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the API. `digest` is the SHA-256 of its secret, in hexadecimal."""

    name: str
    scopes: frozenset[Scope]
    digest: str

    def may(self, scope: Scope) -> bool:
        """True if the key allows what needs `scope`."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def entry(self) -> str:
        """Return the key as `API_KEYS` has it."""
        return f"{self.name}:{'+'.join(scope for scope in SCOPES if scope in self.scopes)}:{self.digest}"


def digest_of(secret: bytes) -> str:
    """Return the SHA-256 of a secret, in hexadecimal."""
    return sha256(secret).hexdigest()


def new_key(name: str, scopes: Iterable[str]) -> tuple[str, ApiKey]:
    """Return a new secret and its key. Raise ValueError for a bad name or an unknown scope."""
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    return secret, ApiKey(_checked_name(name), _checked_scopes(scopes), digest_of(secret.encode()))


@lru_cache(maxsize=4)  # each request needs them
def keys_in(text: str) -> tuple[ApiKey, ...]:
    """Return the keys of `API_KEYS`, which commas separate. Raise ValueError, without quoting a digest."""
    keys = tuple(_key_in(entry) for part in text.split(",") if (entry := part.strip()))
    names = [key.name for key in keys]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"has two keys of the name {twice[0]}: give each its own, such as {twice[0]}-2")
    return keys


def find_key(keys: Iterable[ApiKey], secret: bytes) -> ApiKey | None:
    """Return the key with this secret, or None. How long it takes does not tell which of them is close."""
    digest, found = digest_of(secret), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def _key_in(entry: str) -> ApiKey:
    parts = entry.split(":")
    if len(parts) != 3:
        raise ValueError(f"must be keys, separated by commas, each {_SHAPE}")
    name, scopes, digest = _checked_name(parts[0]), _checked_scopes(parts[1].split("+")), parts[2].lower()
    if len(digest) != _DIGEST_LENGTH or not set(digest) <= frozenset("0123456789abcdef"):
        raise ValueError(f"has no SHA-256 for {name}: it wants {_SHAPE}")
    return ApiKey(name, scopes, digest)


def _checked_name(name: str) -> str:
    if not 0 < len(name) <= LONGEST_NAME or not set(name) <= _NAME_CHARACTERS:
        raise ValueError(f"has a bad name: 1 to {LONGEST_NAME} letters, digits, dots, hyphens and underscores")
    return name


def _checked_scopes(scopes: Iterable[str]) -> frozenset[Scope]:
    known: dict[str, Scope] = {scope: scope for scope in SCOPES}
    given = list(scopes)
    if not given or not all(scope in known for scope in given):
        raise ValueError(f"has an unknown scope: there are {', '.join(SCOPES)}, joined by + for several")
    return frozenset(known[scope] for scope in given)
