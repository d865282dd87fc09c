"""Redis with encryption keys: a client that encrypts, and a look at what is not encrypted."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from support.encrypted_outboxes import every_key, plain_parts

from orchestrator.encryption.envelope import is_sealed
from orchestrator.encryption.keys import new_key
from orchestrator.redis.ciphers import attach_cipher
from orchestrator.redis.keys import DEAD_LETTERS, STATE_PREFIX
from orchestrator.settings import Settings

KEY, OTHER_KEY = new_key(), new_key()


def with_keys(client: Redis, keys: str = KEY) -> Redis:
    """Encrypt what is stored through `client`, as one connected with `STATE_ENCRYPTION_KEYS` does; "" for none."""
    attach_cipher(client.connection_pool, Settings(_env_file=None, state_encryption_keys=keys or None))
    return client


async def unencrypted(client: Redis) -> list[str]:
    """Return where words of calls lie that are not encrypted."""
    found = []
    for key in await every_key(client):
        name = key.decode() if isinstance(key, bytes) else key
        if name.startswith(STATE_PREFIX) and await client.type(key) in (b"string", "string"):
            found += [name] if not is_sealed(_bytes(await client.get(key))) else []
        elif name.endswith("}:turns"):
            entries = await client.hgetall(key)
            found += [f"{name}/{_bytes(field).decode()}" for field, entry in entries.items() if not _is_entry(entry)]
        elif name == DEAD_LETTERS:
            letters = await client.hgetall(key)
            found += [f"{name}/{field!r}" for field, letter in letters.items() if not is_sealed(_bytes(letter))]
    return sorted(found + await plain_parts(client))


def _is_entry(entry: bytes | str) -> bool:
    return is_sealed(_bytes(entry)[1:])


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


class WithKeys:
    """Runs the tests of a class again with an encryption key: its `redis_client` encrypts.

    Afterwards nothing is left that is not encrypted.
    """

    @pytest.fixture
    async def redis_client(self, redis_client: Redis) -> AsyncIterator[Redis]:
        yield with_keys(redis_client)
        assert await unencrypted(redis_client) == []
