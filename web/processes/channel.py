"""The socket between the supervisor and a web process: one JSON object a line. Standard library only."""

import json
import socket
from typing import Any

Message = dict[str, Any]

LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes. Metrics are the largest: about 100 for each sample."""
_CHUNK = 256 * 1024


def packed(message: Message) -> bytes:
    """Return `message` as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class Channel:
    """The supervisor's end. It never blocks: what the process does not read is kept, up to `LONGEST_MESSAGE`."""

    def __init__(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        self.is_open = True
        self._socket = opened
        self._received = b""
        self._unsent = b""

    def fileno(self) -> int:
        """Return the file descriptor, for a selector."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """True if something waits until the process reads."""
        return bool(self._unsent)

    def receive(self) -> list[Message]:
        """Return the messages that have arrived. Clear `is_open` when the process has closed its end."""
        while self.is_open and self._read():
            pass
        *lines, self._received = self._received.split(b"\n")
        return [json.loads(line) for line in lines]

    def _read(self) -> bool:
        """Read some more. Return False when nothing more has arrived."""
        try:
            arrived = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            arrived = b""
        self._received += arrived
        self.is_open = bool(arrived) and len(self._received) <= LONGEST_MESSAGE
        return self.is_open

    def send(self, message: Message) -> None:
        """Send a message, or keep it until `flush`."""
        self._unsent += packed(message)
        if len(self._unsent) > LONGEST_MESSAGE:
            self.is_open = False
        self.flush()

    def flush(self) -> None:
        """Send what was kept, as far as the process reads."""
        if not self.is_open:
            self._unsent = b""
        while self._unsent:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            except BlockingIOError:
                return
            except OSError:
                self.is_open, self._unsent = False, b""

    def close(self) -> None:
        """Close the supervisor's end."""
        self.is_open, self._unsent = False, b""
        self._socket.close()
