"""What a person is shown of an outbox: what is pending or dead, for each sink."""

from collections.abc import Mapping, Sequence

from orchestrator.events.outbox import Entry, Undelivered
from orchestrator.events.redis.scripts import entry_or_damaged, failures_of

LONGEST_POSITION = 18
"""Digits."""


def undelivered_in(call_sid: str, found: Mapping[bytes, bytes] | Sequence[bytes]) -> list[Undelivered]:
    """Return what is pending or dead in an outbox, as Redis returns the hash, by position and sink."""
    fields = dict(found) if isinstance(found, Mapping) else dict(zip(found[::2], found[1::2], strict=True))
    positions = sorted(int(name[2:]) for name in fields if _is_entry(name))
    waiting: set[str] = set()  # sinks of which an earlier event is pending
    return [entry for position in positions for entry in _of_entry(call_sid, position, fields, waiting)]


def _of_entry(call_sid: str, position: int, fields: Mapping[bytes, bytes], waiting: set[str]) -> list[Undelivered]:
    stored = fields[f"e:{position}".encode()]
    entry = entry_or_damaged(call_sid, str(position), stored)
    found = []
    for sink in sorted(entry.sinks):
        death = fields.get(f"d:{position}:{sink}".encode())
        if death is not None:
            details = failures_of(death)
            found.append(
                Undelivered(
                    entry, sink, int(details.get("failures", 0)), str(details.get("error", "")),
                    None, float(details.get("at", 0)) / 1000, len(stored),
                )
            )  # fmt: skip
        elif _position(fields.get(f"p:{sink}".encode())) < position:
            found.append(_pending(entry, sink, fields, len(stored), is_first=sink not in waiting))
            waiting.add(sink)
    return found


def _pending(entry: Entry, sink: str, fields: Mapping[bytes, bytes], size: int, *, is_first: bool) -> Undelivered:
    """Return a pending event. The failures of a sink are those of the first event that waits for it."""
    failed = failures_of(fields.get(f"f:{sink}".encode()))
    next_at = float(failed["next"]) / 1000 if "next" in failed else None
    failures, error = (int(failed.get("failures", 0)), str(failed.get("error", ""))) if is_first else (0, "")
    return Undelivered(entry, sink, failures, error, next_at, None, size)


def _is_entry(name: bytes) -> bool:
    digits = name[2:]
    return name.startswith(b"e:") and _position(digits) > 0 and not digits.startswith(b"0")


def _position(stored: bytes | None) -> int:
    return int(stored) if stored and stored.isdigit() and len(stored) <= LONGEST_POSITION else 0
