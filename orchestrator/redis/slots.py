"""Finds the slot of a Redis Cluster that a command belongs to: the slot of its first key. No I/O."""

from collections.abc import Sequence
from typing import Any

from redis.crc import key_slot

SLOTS = 16_384

_KEYLESS = frozenset((
    "ACL", "ASKING", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "DISCARD", "ECHO", "EXEC",
    "FLUSHALL", "FLUSHDB", "HELLO", "INFO", "KEYS", "LASTSAVE", "LATENCY", "MEMORY", "MULTI", "PING", "PUBLISH",
    "PUBSUB", "QUIT", "RANDOMKEY", "READONLY", "ROLE", "SAVE", "SCAN", "SCRIPT", "SELECT", "SLOWLOG", "TIME",
    "UNWATCH", "WAIT", "WAITAOF",
))  # fmt: skip
_SCRIPTS = frozenset({"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"})


def command_name(arguments: Sequence[Any]) -> str:
    """Return the first word of a command in capitals. redis-py passes `SCRIPT LOAD` as one argument."""
    name = arguments[0]
    text = name.decode() if isinstance(name, bytes) else str(name)
    return text.partition(" ")[0].upper()


def slot_of(arguments: Sequence[Any]) -> int | None:
    """Return the slot of the command's first key; None if it has none: then any node will do."""
    name = command_name(arguments)
    if name in _KEYLESS:
        return None
    if name in _SCRIPTS:
        return slot_of_key(arguments[3]) if int(arguments[2]) else None
    return slot_of_key(arguments[1]) if len(arguments) > 1 else None


def slot_of_key(key: bytes | str) -> int:
    """Return the slot of the key, by its hash tag if it has one."""
    slot: int = key_slot(key if isinstance(key, bytes) else str(key).encode())
    return slot
