"""Lines for a terminal, a file or a pipe, written without waiting for the reader."""

import os
import queue
import select
import threading
from typing import TextIO

MOST_LINES = 10_000
"""Most lines that wait to be written. A reader that has stopped reading misses later ones."""
CLOSE_SECONDS = 1.0


class Output:
    """Writes lines to `stream`'s descriptor from a thread of its own; the event loop, and with it signals, never waits.

    A closed reader is not an error: nothing more is written. A reader that was too slow is told how many lines it
    missed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._descriptor = stream.fileno()
        self._encoding = stream.encoding or "utf-8"
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_LINES)
        self._left_out = 0
        # A daemon, and no buffer with a lock: a write that never ends must not hold up the end of the process.
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Queue `text` and a line break. Call it from one thread."""
        try:
            if self._left_out:
                self._lines.put_nowait(f"({self._left_out} lines were left out: nobody read them)")
                self._left_out = 0
            self._lines.put_nowait(text)
        except queue.Full:
            self._left_out += 1

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is left, within `seconds`."""
        try:
            self._lines.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write_all(self) -> None:
        is_read = True
        while (text := self._lines.get()) is not None:
            if is_read:
                is_read = self._write(f"{text}\n".encode(self._encoding, errors="replace"))

    def _write(self, data: bytes) -> bool:
        """True while the reader is still there."""
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # a terminal that another program has set so
                select.select([], [self._descriptor], [])
            except OSError:
                return False
        return True
