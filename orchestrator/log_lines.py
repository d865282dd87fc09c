"""How a log record becomes one line: `TextFormatter` for people, `JsonFormatter` for machines.

Both are on the path of every turn. So an ordinary record takes a short way: what cannot hold a secret or a control
character is not searched for one, and JSON of plain values is put together without an encoder.
"""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import filterfalse
from json.encoder import encode_basestring
from traceback import format_tb
from typing import Any

from orchestrator.masking import masked

WITHOUT_WORDS = {"hides_words": True}
"""An `extra` of what is logged with a traceback whose errors may quote a caller: above DEBUG their text is left out."""
_HIDES_WORDS = "hides_words"
_LONGEST_CHAIN = 5
_DEEPEST = 5
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    _HIDES_WORDS,
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_OURS = _STANDARD | {"ts", "level", "logger"}
_SHOWN = ("call_sid", "turn_id")
_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}
# `scheme://user:password@`: everything up to the last @ before the path, as a password may hold one.
# It starts at each `://`, never at what may be a scheme: a long line of letters costs no more than any other.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#'\"]*@")

# A stranger's text may contain escape sequences, or line breaks that look like another event.
_ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
_ESCAPES_OF_LINES = {code: escape for code, escape in _ESCAPES.items() if code != ord("\n")}


def redact(text: str) -> str:
    """Return `text` without user and password in URLs, and with telephone numbers and the like masked."""
    return masked(_CREDENTIALS.sub("***@", text) if "://" in text else text)


class TextFormatter(logging.Formatter):
    """`12:03:44 INFO: Turn committed  call_sid=CA1 turn_id=t2`, and a traceback below where there is one."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour
        self._time = _SecondText(lambda second: datetime.fromtimestamp(second).strftime("%H:%M:%S"))

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields = vars(record)
        about = "".join(f" {name}={_one_line(fields[name])}" for name in _SHOWN if fields.get(name))
        level = self._painted(f"{record.levelname}:", record.levelname)
        line = f"{self._time.of(_split(record.created)[0])} {level} {_one_line(_message(record))}"
        return redact(line + (f" {about}" if about else "") + _traceback(self, record))

    def _painted(self, text: str, level: str) -> str:
        colour = _COLOURS.get(level) if self._colour else None
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, process, message, and every `extra` of the record."""

    def __init__(self, process_name: str) -> None:
        super().__init__()
        self._process_name = process_name
        self._process_json = encode_basestring(process_name)
        self._encode = json.JSONEncoder(ensure_ascii=False, default=lambda value: redact(str(value))).encode
        self._time = _SecondText(lambda second: datetime.fromtimestamp(second, UTC).isoformat()[:19])

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if not record.exc_info and not record.stack_info:
            try:
                return self._plain(record)
            except (TypeError, ValueError, OverflowError):  # something in it is not plain
                pass
        return self._any(record)

    def _plain(self, record: logging.LogRecord) -> str:
        """Return what `_any` returns, if all values of the record are plain. Else raise `TypeError` or `ValueError`."""
        second, milliseconds = _split(record.created)
        text = encode_basestring
        parts = [
            f'{{"ts": "{self._time.of(second)}.{milliseconds:03d}+00:00", "level": {text(record.levelname)}'
            f', "logger": {text(record.name)}, "process": {self._process_json}'
            f', "message": {text(redact(_message(record)))}'
        ]
        fields = vars(record)
        for name in filterfalse(_OURS.__contains__, fields):
            value = fields[name]
            shown = text(redact(value)) if type(value) is str else _json_of(value)
            parts.append(f"{text(name)}: {shown}")
        return ", ".join(parts) + "}"

    def _any(self, record: logging.LogRecord) -> str:
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
            return self._encode(event)
        except (TypeError, ValueError):  # keys that are not strings, or a value that contains itself
            return json.dumps({name: redact(str(value)) for name, value in event.items()}, ensure_ascii=False)


class _SecondText:
    """The text of a time, which is the same for all records of a second. For several threads."""

    def __init__(self, text_of: Callable[[int], str]) -> None:
        self._text_of = text_of
        self._last: tuple[int | None, str] = (None, "")

    def of(self, second: int) -> str:
        """Return the text of `second` (Unix seconds)."""
        last = self._last
        if last[0] != second:
            last = self._last = (second, self._text_of(second))
        return last[1]


def _split(time: float) -> tuple[int, int]:
    """Return the seconds and the milliseconds of `time` (Unix seconds), rounded as `datetime` rounds."""
    second = int(time)
    microseconds = round((time - second) * 1e6)
    if not 0 <= microseconds < 1_000_000:
        second, microseconds = second + microseconds // 1_000_000, microseconds % 1_000_000
    return second, microseconds // 1000


def _json_of(value: object) -> str:
    """Return the JSON of a number, a truth value or None. Raise `TypeError` for anything else."""
    kind = type(value)
    if kind is int or (kind is float and value - value == 0):  # type: ignore[operator]  # neither infinite nor NaN
        return repr(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    raise TypeError("not plain")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit the message: show both
        return f"{record.msg} {record.args!r}"


def _one_line(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else text.translate(_ESCAPES)


def _redacted(value: object, depth: int = _DEEPEST) -> object:
    """Return `value` with the texts in it redacted, down to a depth: a list may hold itself."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict) and depth:
        return {name: _redacted(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [_redacted(item, depth - 1) for item in value]
    return value


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info and not record.stack_info:
        return ""
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
