"""Logging: one event a line, readable (`LOG_FORMAT=text`) or for machines (`LOG_FORMAT=json`)."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from traceback import format_tb
from typing import Any, TextIO

from orchestrator.settings import Settings

WITHOUT_WORDS = {"hides_words": True}
"""An `extra` of what is logged with a traceback whose errors may quote a caller: above DEBUG their text is left out."""
_HIDES_WORDS = "hides_words"
_LONGEST_CHAIN = 5
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    _HIDES_WORDS,
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_SHOWN = ("call_sid", "turn_id")
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}
# `scheme://user:password@`: everything up to the last @ before the path, as a password may hold one.
# It starts at each `://`, never at what may be a scheme: a long line of letters costs no more than any other.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#'\"]*@")

# A stranger's text may contain escape sequences, or line breaks that look like another event.
_ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
_ESCAPES_OF_LINES = {code: escape for code, escape in _ESCAPES.items() if code != ord("\n")}

# Their INFO lines repeat our own events or help nobody.
_QUIET = {
    "arq": logging.WARNING,
    "arq.worker": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "twilio": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "websockets": logging.WARNING,
}


def configure_logging(settings: Settings, process_name: str, stream: TextIO | None = None) -> None:
    """Send the logs of this process to `stream` (standard error) as the settings say.

    `process_name` (`web`, `worker`) is in every JSON line. A second call replaces the first. Pass uvicorn
    `log_config=None`, so that it does not change this.
    """
    handler = _QuietHandler(stream or sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter(process_name))
    else:
        handler.setFormatter(TextFormatter(colour=_is_terminal(handler.stream)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name, level in _QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(level, root.level))


def redact(text: str) -> str:
    """Return `text` without user and password in URLs."""
    return _CREDENTIALS.sub("***@", text)


class TextFormatter(logging.Formatter):
    """`12:03:44 INFO: Turn committed  call_sid=CA1 turn_id=t2`, and a traceback below where there is one."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        about = "".join(f" {name}={_one_line(vars(record)[name])}" for name in _SHOWN if vars(record).get(name))
        level = f"{record.levelname}:"
        line = f"{time} {self._painted(level, record.levelname)} {_one_line(_message(record))}"
        return redact(line + (f" {about}" if about else "") + _traceback(self, record))

    def _painted(self, text: str, level: str) -> str:
        colour = _COLOURS.get(level) if self._colour else None
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, process, message, and every `extra` of the record."""

    def __init__(self, process_name: str) -> None:
        super().__init__()
        self._process_name = process_name

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        event: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": self._process_name,
            "message": redact(_message(record)),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in event:
                event[name] = _redacted(value)
        if traceback := _traceback(self, record).strip():
            event["traceback"] = redact(traceback)
        try:
            return json.dumps(event, ensure_ascii=False, default=lambda value: redact(str(value)))
        except (TypeError, ValueError):  # keys that are not strings, or a value that contains itself
            return json.dumps({name: redact(str(value)) for name, value in event.items()}, ensure_ascii=False)


class _QuietHandler(logging.StreamHandler[TextIO]):
    """Writes lines; what cannot be written is dropped: a broken pipe must not harm a call."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record) + "\n"
            encoding = getattr(self.stream, "encoding", None) or "utf-8"
            self.stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
            self.stream.flush()
        except Exception:
            return


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit the message: show both
        return f"{record.msg} {record.args!r}"


def _one_line(value: object) -> str:
    return str(value).translate(_ESCAPES)


def _redacted(value: object) -> object:
    return redact(value) if isinstance(value, str) else value


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0]:
        hides = vars(record).get(_HIDES_WORDS) and not logging.getLogger().isEnabledFor(logging.DEBUG)
        parts.append(_without_words(record.exc_info[1]) if hides else formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "".join(f"\n{part}" for part in parts).translate(_ESCAPES_OF_LINES)


def _without_words(error: BaseException | None) -> str:
    """Return the traceback, with the kinds of the errors but not their texts, the cause first."""
    told: list[str] = []
    while error is not None and len(told) < _LONGEST_CHAIN:
        calls = "".join(format_tb(error.__traceback__))
        told.insert(0, f"Traceback (most recent call last):\n{calls}{type(error).__name__}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(told)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
