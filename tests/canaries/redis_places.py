"""What lies in Redis, and where: all that was ever written, by the append-only file, and what is there now."""

import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.redis import keys

STATES, TURNS, OUTBOXES, SCHEDULES = "Redis: states", "Redis: turns", "Redis: events", "Redis: schedules"
DEAD_LETTERS, REPORTS, REST = "Redis: dead letters", "Redis: reports of workers", "Redis: all other keys"
PUBSUB = "Redis: pub/sub"

_BY_END = {"turns": TURNS, "outbox": OUTBOXES, "schedule": SCHEDULES}
_WITHOUT_KEYS = ("select", "multi", "exec", "ping", "replconf", "function", "script")
_LENGTH = re.compile(rb"([*$])(\d+)\r\n")


def place_of(key: str) -> str:
    """The place in the table of the key."""
    if key.endswith(":set-aside"):
        before = key.removesuffix(":set-aside")
        return place_of(before[1:-1] if before.endswith("}") else before)
    if key.startswith(keys.STATE_PREFIX):
        return STATES
    if key == keys.DEAD_LETTERS:
        return DEAD_LETTERS
    if key.startswith(keys.worker_status("")):
        return REPORTS
    return _BY_END.get(key.rpartition("}:")[2], REST) if key.startswith("{" + keys.STATE_PREFIX) else REST


def written(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Every command of the append-only files: the place of its key, and its arguments."""
    for path in sorted(directory.rglob("*.aof")):
        yield from _commands(path.read_bytes())


def _commands(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The commands up to the first that is torn: the server was killed while it wrote it."""
    at = 0
    while (head := _LENGTH.match(content, at)) is not None and head[1] == b"*":
        at, parts = head.end(), []
        for _ in range(int(head[2])):
            length = _LENGTH.match(content, at)
            if length is None:
                return
            end = length.end() + int(length[2])
            parts.append(content[length.end() : end])
            at = end + 2
        name = parts[0].decode().lower()
        place = REST if name in _WITHOUT_KEYS or len(parts) < 2 else place_of(parts[1].decode(errors="replace"))
        yield place, b" ".join(parts[1:])
