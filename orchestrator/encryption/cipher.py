"""`Cipher` encrypts what is stored or published, bound to the place where it lies."""

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.encryption.envelope import COUNTER_BYTES, SALT_BYTES, Envelope, front_of, is_sealed
from orchestrator.encryption.keys import NO_KEYS, EncryptionKey, KeyList
from orchestrator.encryption.missing_keys import MissingKeys
from orchestrator.errors import UnreadableSeal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MOST_UNDER_ONE_SALT = 1 << 32
"""Values (NIST SP 800-38D, 8.3): then this process takes a new salt."""
MOST_SUBKEYS = 1024
"""Of so many processes that encrypted something the subkeys are kept ready."""


class Cipher:
    """Encrypts with the first key of a list and decrypts with all of them.

    Each process encrypts with a subkey of its own, which follows from the key and a random salt, and counts its values:
    so no nonce is ever used twice, however many are encrypted. `place` is where a value lies, such as its Redis key: a
    value that is moved elsewhere cannot be decrypted.
    """

    def __init__(self, keys: KeyList = NO_KEYS) -> None:
        self._keys = keys
        self._by_id = {key.id: key for key in keys.all}
        self._subkeys: OrderedDict[bytes, AESGCM] = OrderedDict()
        self.missing = MissingKeys()
        """The keys under which this process found something that it cannot open."""
        self._salt = b""
        self._counter = itertools.count()

    @property
    def encrypts(self) -> bool:
        """True if `seal` encrypts."""
        return self._keys.first is not None

    @property
    def keys(self) -> KeyList:
        """The keys."""
        return self._keys

    def seal(self, place: str, content: bytes, clear: Mapping[str, Any] | None = None) -> bytes:
        """Return `content` as it is stored at `place`: an envelope with the fields `clear`; unchanged without a key."""
        key = self._keys.first
        if key is None:
            return content
        count = next(self._counter)
        if count % MOST_UNDER_ONE_SALT == 0:
            self._salt = secrets.token_bytes(SALT_BYTES)
        front = front_of(clear)
        counter = (count % MOST_UNDER_ONE_SALT).to_bytes(COUNTER_BYTES, "big")
        sealed = self._subkey(key, self._salt).encrypt(_nonce(counter), content, _bound_to(place, front))
        return Envelope(front, key.id, self._salt, counter, sealed).pack()

    def open(self, place: str, stored: bytes) -> bytes:
        """Return what was sealed for `place`.

        Raise `UnreadableSeal` if no key of this process opens it, if it was changed or moved, and if it is not
        encrypted although everything must be.
        """
        if not is_sealed(stored):
            if not self._keys.reads_plain:
                raise UnreadableSeal("It is not encrypted, and STATE_ENCRYPTION_KEYS does not have plain.")
            return stored
        envelope = Envelope.unpack(stored)
        if envelope is None:
            raise UnreadableSeal("The encrypted value is damaged.")
        key = self._by_id.get(envelope.key_id)
        if key is None:
            raise self.missing.found(envelope.key_id.hex())
        from cryptography.exceptions import InvalidTag

        bound = _bound_to(place, envelope.front)
        try:
            return self._subkey(key, envelope.salt).decrypt(_nonce(envelope.counter), envelope.ciphertext, bound)
        except InvalidTag:
            raise UnreadableSeal("The encrypted value was changed, or belongs elsewhere.") from None

    def is_current(self, stored: bytes) -> bool:
        """True if `stored` is as `seal` would write it now: under the first key, or plain without one."""
        key = self._keys.first
        if not is_sealed(stored):
            return key is None
        envelope = Envelope.unpack(stored)
        return envelope is not None and key is not None and envelope.key_id == key.id

    def _subkey(self, key: EncryptionKey, salt: bytes) -> "AESGCM":
        name = key.id + salt
        found = self._subkeys.get(name)
        if found is None:
            found = self._subkeys[name] = _derived(key.secret, salt)
            if len(self._subkeys) > MOST_SUBKEYS:
                self._subkeys.popitem(last=False)
        else:
            self._subkeys.move_to_end(name)
        return found


NO_CIPHER = Cipher()
"""Leaves everything as it is."""


def _derived(secret: bytes, salt: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # imported late: nobody without keys needs it
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), len(secret), salt, b"voiceagent encryption subkey").derive(secret))


def _nonce(counter: bytes) -> bytes:
    return b"\0\0\0\0" + counter


def _bound_to(place: str, front: bytes) -> bytes:
    return place.encode() + b"\0" + front
