"""A file as a sink: one event a line, as JSON."""

import asyncio
import fcntl
import json
import os
import time
from collections import OrderedDict
from pathlib import Path

from orchestrator.events.event import Event
from orchestrator.events.sinks.sink import TryLater, json_of

REMEMBERED = 100_000
"""Ids, the newest, that are known to be in the file: some 10 MB."""
LOCK_SECONDS = 5.0
"""For another writer to be done with its line. One that is frozen in the middle of it delays the others."""
LOCK_POLL_SECONDS = 0.01
BEGINNING = b'{"id":"'
"""How the line of an event begins."""
PART_BYTES = 1 << 20
"""What is read of the file at once when it is opened."""


class JsonLinesSink:
    """Appends each event to a file as one line. Several processes may write to it, and it may be rotated.

    One process at a time writes, and a line is on the disk before its event counts as delivered. An id is in the file
    once: what others have added is read first. What a writer that died left of an event's line is cut off; a line of
    somebody else's without an end gets one. A file that was
    moved away is left alone, and a new one begun; a file that was copied and emptied goes on from its beginning.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        remembered: int = REMEMBERED,
        lock_seconds: float = LOCK_SECONDS,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._path = Path(path)
        self._remembered = remembered
        self._lock_seconds = lock_seconds
        self._part_bytes = part_bytes
        self._file: int | None = None
        self._end = 0
        """Up to where the file has been read: the end of a whole line."""
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = asyncio.Lock()

    async def deliver(self, event: Event) -> None:
        """Append the event, unless its id is in the file. Raise OSError if the file cannot be written."""
        async with self._lock:
            appending = asyncio.ensure_future(asyncio.to_thread(self._append, event))
            try:
                await asyncio.shield(appending)
            except asyncio.CancelledError:
                await asyncio.wait({appending})  # the thread must not meet the next one
                raise

    async def close(self) -> None:
        """Close the file."""
        async with self._lock:
            self._close_file()

    def _append(self, event: Event) -> None:
        file = self._locked_file()
        try:
            self._read_added(file)
            if event.id not in self._ids:
                self._write(file, json_of(event).encode() + b"\n")
                self._remember(event.id)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _locked_file(self) -> int:
        """Return the file that the path names now, locked. Raise `TryLater` if another writer keeps it locked."""
        until = time.monotonic() + self._lock_seconds
        while time.monotonic() < until:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            if not _try_lock(self._file):
                time.sleep(LOCK_POLL_SECONDS)
            elif _is_at(self._path, self._file):
                return self._file
            else:  # moved away, and so is its lock
                self._close_file()
        raise TryLater(f"Another process keeps {self._path.name} locked.")

    def _read_added(self, file: int) -> None:
        """Note the ids of the lines that were added since, and cut off a line that is not whole."""
        size = os.fstat(file).st_size
        if size < self._end:
            self._end = 0
        rest = b""
        while part := os.pread(file, self._part_bytes, self._end + len(rest)):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                self._end += len(line) + 1
                self._remember(_id_of(line))
        if rest and not _is_begun_event(rest):
            self._write(file, b"\n")
        elif rest:
            os.ftruncate(file, self._end)

    def _write(self, file: int, line: bytes) -> None:
        """Append `line` at the end of the file, wherever that is: somebody may empty the file at any moment."""
        before = os.fstat(file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(file, line[written:])
            os.fsync(file)
        except OSError:
            os.ftruncate(file, min(before, os.fstat(file).st_size))
            raise
        self._end = os.fstat(file).st_size

    def _remember(self, event_id: str) -> None:
        if not event_id:
            return
        self._ids[event_id] = None
        if len(self._ids) > self._remembered:
            self._ids.popitem(last=False)

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._end = None, 0


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _is_begun_event(line: bytes) -> bool:
    """Return whether `line`, which has no end, is what a writer of events has left of one."""
    return line.startswith(BEGINNING[: len(line)]) and not _id_of(line)


def _id_of(line: bytes) -> str:
    """Return the id of an event's line, or "" for a line that somebody else wrote."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    found = found.get("id") if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""
