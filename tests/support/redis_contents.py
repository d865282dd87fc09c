"""Everything that a Redis has, as text: to look for what must not be there."""

from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from orchestrator.redis.scanning import scan_keys

READERS: dict[bytes, Callable[[Redis, Any], Awaitable[Any]]] = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
}


async def redis_contents(client: Redis) -> dict[str, str]:
    """Return each key with its value, on every master."""
    found = {}
    async for key in scan_keys(client, "*"):
        kind = await client.type(key)
        if kind in READERS:  # else it has gone meanwhile
            found[key.decode() if isinstance(key, bytes) else key] = str(await READERS[kind](client, key))
    return found


async def keys_that_name(client: Redis, *words: str) -> list[str]:
    """Return the keys that have one of the words in their name, a field, a member or a value."""
    contents = await redis_contents(client)
    return sorted(key for key, value in contents.items() if any(word in key + value for word in words))


async def empty(client: Redis) -> None:
    """Delete all keys, on every master."""
    for key in await redis_contents(client):
        await client.delete(key)
