"""What is not encrypted in outboxes, schedules, receipts and seal keys."""

import json

from redis.asyncio import Redis

from orchestrator.encryption.envelope import is_sealed
from orchestrator.redis import keys
from orchestrator.redis.cluster import masters_of

HASHES = ("outbox", "schedule", "seal-keys", "stopped-sinks")


def plain_fields(name: str, fields: dict[str, bytes]) -> list[str]:
    """Return which parts of a hash tell something and are not encrypted."""
    found = []
    for field, value in fields.items():
        kind = field.partition(":")[0]
        if name == "outbox" and kind in ("f", "d"):
            parts = [json.loads(value).get("error", "").encode()]
        elif name == "outbox" and kind == "unended":
            parts = [life["head"].encode() for life in json.loads(value)]
        elif kind in ("e", "i"):
            parts = [value.partition(b"\n")[2]]
        elif kind in ("head", "current", "other") or name == "stopped-sinks":
            parts = [value]
        else:
            continue
        found += [f"{name}/{field}" for part in parts if part and not is_sealed(part)]
    return found


async def every_key(client: Redis) -> list[bytes | str]:
    """Return all keys, those of all masters in a cluster."""
    return [key for master in await masters_of(client) async for key in master.scan_iter(count=1000)]


async def plain_parts(client: Redis) -> list[str]:
    """Return where something of calls lies that is not encrypted."""
    found = []
    for key in await every_key(client):
        name = _text(key).rpartition(":")[2]
        if name in HASHES:
            fields = {_text(field): _bytes(value) for field, value in (await client.hgetall(key)).items()}
            found += plain_fields(name, fields)
        elif _text(key).startswith(keys.IDEMPOTENCY) and not is_sealed(_bytes(await client.get(key))):
            found.append(_text(key))
    return found


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
