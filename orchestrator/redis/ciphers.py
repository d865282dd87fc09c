"""Which cipher goes with a client of Redis: that of the settings it was connected with.

Whoever has the client has the cipher, so that nobody who stores something can forget it.
"""

from weakref import WeakKeyDictionary

from redis.asyncio import ConnectionPool, Redis

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.settings import Settings

_CIPHERS: WeakKeyDictionary[ConnectionPool, Cipher] = WeakKeyDictionary()


def attach_cipher(pool: ConnectionPool, settings: Settings) -> None:
    """Encrypt what is stored through `pool` with the keys of `settings`."""
    _CIPHERS[pool] = Cipher(settings.encryption_keys)


def cipher_of(redis: Redis) -> Cipher:
    """Return the cipher for what is stored through `redis`; it leaves everything as it is if no key was set."""
    return _CIPHERS.get(redis.connection_pool, NO_CIPHER)
