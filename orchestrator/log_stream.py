"""`LineHandler`: writes log lines to a stream, each in one piece, and lets no trouble with the stream harm a call."""

import io
import logging
from typing import TextIO

MOST_UNSENT_BYTES = 1 << 16
_ONE_WAY_ENCODINGS = ("utf-8", "ascii", "us-ascii")
"""Encodings in which a text has the same bytes wherever it is in the stream."""


class LineHandler(logging.Handler):
    """Writes each record as one line, in one write where the stream is a file, pipe or terminal.

    What cannot be written is dropped: a broken pipe must not harm a call. A stream that takes no more for now (its pipe
    does not block, and is full) gets the rest of a line before the next line; lines beyond `MOST_UNSENT_BYTES` are
    dropped whole. So no line is torn.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream
        self._file = _file_of(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._unsent = b""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. Logging holds the handler's lock meanwhile, so threads take turns."""
        try:
            line = self.format(record) + "\n"
            if self._file is not None:
                self._write(self._file, line.encode(self._encoding, "backslashreplace"))
            else:
                self._write_text(line)
        except Exception:
            return

    def flush(self) -> None:
        """Try once more to write what the stream has not taken yet."""
        self.acquire()
        try:
            if self._file is not None and self._unsent:
                self._write(self._file, b"")
        except OSError:
            return
        finally:
            self.release()

    def _write(self, file: io.FileIO, line: bytes) -> None:
        unsent = self._unsent
        if len(unsent) + len(line) > MOST_UNSENT_BYTES and unsent:
            line = b""
        unsent += line
        try:
            while unsent and (written := file.write(unsent)) is not None:
                unsent = unsent[written:]
        except (BrokenPipeError, ValueError):  # nobody reads it any more, or it is closed
            unsent = b""
        finally:
            self._unsent = unsent

    def _write_text(self, line: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        self.stream.flush()


def _file_of(stream: TextIO) -> io.FileIO | None:
    """Return the file below `stream`, to which its lines may be written directly; None if there may be none."""
    if type(stream) is not io.TextIOWrapper or stream.encoding.lower() not in _ONE_WAY_ENCODINGS:
        return None
    try:
        stream.flush()
    except (OSError, ValueError):
        return None
    buffer: object = stream.buffer
    file = buffer.raw if isinstance(buffer, io.BufferedWriter) else buffer
    return file if isinstance(file, io.FileIO) else None
