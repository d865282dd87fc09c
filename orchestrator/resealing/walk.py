"""Walks over everything in Redis that is encrypted, or would be with keys, some values at a time."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from orchestrator.redis import keys
from orchestrator.redis.cluster import masters_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.resealing.places import Place, place_of

PAGE = 200
"""About so many keys, and fields of a hash, are read at once."""


@dataclass(frozen=True, slots=True)
class Value:
    """What lies in one place: under `key`, and of a hash in its `field` ("" for a string)."""

    place: Place
    key: str
    field: str
    stored: bytes


async def values(connection: StoreConnection) -> AsyncIterator[list[Value]]:
    """Yield all values, in chunks. What is there all the time is among them at least once.

    Other clients are served meanwhile. Raise `StoreUnavailable`.
    """
    with connection.guarded():
        masters = await masters_of(connection.redis)
    for master, pattern in itertools.product(masters, keys.OURS):
        cursor = 0
        while True:
            with connection.guarded():
                cursor, found = await master.scan(cursor, match=pattern, count=PAGE)
            known = [(key, place) for name in found if (key := _text(name)) and (place := place_of(key))]
            strings = [(key, place) for key, place in known if place.type == "string"]
            if read := await _strings(connection, strings):
                yield read
            async for page in _hashes(connection, [(key, place) for key, place in known if place.type == "hash"]):
                yield page
            if not cursor:
                break


async def _strings(connection: StoreConnection, wanted: Sequence[tuple[str, Place]]) -> list[Value]:
    answers = await _pipelined(connection.redis, connection, [("GET", key) for key, _ in wanted])
    return [
        Value(place, key, "", stored)
        for (key, place), stored in zip(wanted, answers, strict=True)
        if isinstance(stored, bytes)
    ]


async def _hashes(connection: StoreConnection, wanted: Sequence[tuple[str, Place]]) -> AsyncIterator[list[Value]]:
    """Yield the fields of hashes: the first page of all of them together, the rest of each one by itself."""
    left = [(key, place, b"0") for key, place in wanted]
    while left:
        commands = [("HSCAN", key, cursor, "COUNT", PAGE) for key, _, cursor in left]
        answers = await _pipelined(connection.redis, connection, commands)
        found: list[Value] = []
        following: list[tuple[str, Place, bytes]] = []
        for (key, place, _), answer in zip(left, answers, strict=True):
            if isinstance(answer, Exception):  # of the wrong type, or gone by now
                continue
            cursor, fields = answer
            found += [Value(place, key, name, stored) for field, stored in _pairs(fields) if (name := _text(field))]
            if int(cursor):
                following.append((key, place, cursor))
        if found:
            yield found
        left = following


async def _pipelined(redis: Redis, connection: StoreConnection, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    if not commands:
        return []
    with connection.guarded():
        async with redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers = list(await pipe.execute(raise_on_error=False))
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, ResponseError):
                raise answer
    return answers


def _pairs(fields: Any) -> list[tuple[bytes, bytes]]:
    if isinstance(fields, dict):
        return list(fields.items())
    flat = list(fields)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _text(name: bytes) -> str:
    """Return the name; "" for one that we never wrote."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return ""
