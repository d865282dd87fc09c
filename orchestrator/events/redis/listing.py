"""What a person is shown of an outbox: what is pending or dead, for each sink."""

from collections.abc import Mapping, Sequence

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.events.outbox import Entry, Undelivered
from orchestrator.events.redis.entries import shown_entry
from orchestrator.events.redis.sealed_parts import SealedParts

LONGEST_POSITION = 18
"""Digits."""


def undelivered_in(
    call_sid: str, found: Mapping[bytes, bytes] | Sequence[bytes], cipher: Cipher = NO_CIPHER
) -> list[Undelivered]:
    """Return what is pending or dead in an outbox, as Redis returns the hash, by position and sink."""
    fields = dict(found) if isinstance(found, Mapping) else dict(zip(found[::2], found[1::2], strict=True))
    positions = sorted(int(name[2:]) for name in fields if _is_entry(name))
    waiting: set[str] = set()  # sinks of which an earlier event is pending
    parts = SealedParts(cipher, call_sid)
    return [entry for position in positions for entry in _of_entry(call_sid, position, fields, waiting, parts)]


def _of_entry(
    call_sid: str, position: int, fields: Mapping[bytes, bytes], waiting: set[str], parts: SealedParts
) -> list[Undelivered]:
    stored = fields[f"e:{position}".encode()]
    entry = shown_entry(call_sid, str(position), stored, parts)
    found = []
    for sink in sorted(entry.sinks):
        death = fields.get(f"d:{position}:{sink}".encode())
        if death is not None:
            details = parts.open_failures(sink, death)
            found.append(
                Undelivered(
                    entry, sink, int(details.get("failures", 0)), str(details.get("error", "")),
                    None, float(details.get("at", 0)) / 1000, len(stored),
                )
            )  # fmt: skip
        elif _position(fields.get(f"p:{sink}".encode())) < position:
            found.append(_pending(entry, sink, fields, parts, len(stored), is_first=sink not in waiting))
            waiting.add(sink)
    return found


def _pending(
    entry: Entry, sink: str, fields: Mapping[bytes, bytes], parts: SealedParts, size: int, *, is_first: bool
) -> Undelivered:
    """Return a pending event. The failures of a sink are those of the first event that waits for it."""
    failed = parts.open_failures(sink, fields.get(f"f:{sink}".encode()))
    next_at = float(failed["next"]) / 1000 if "next" in failed else None
    failures, error = (int(failed.get("failures", 0)), str(failed.get("error", ""))) if is_first else (0, "")
    return Undelivered(entry, sink, failures, error, next_at, None, size)


def _is_entry(name: bytes) -> bool:
    digits = name[2:]
    return name.startswith(b"e:") and _position(digits) > 0 and not digits.startswith(b"0")


def _position(stored: bytes | None) -> int:
    return int(stored) if stored and stored.isdigit() and len(stored) <= LONGEST_POSITION else 0
