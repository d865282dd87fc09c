"""Whatever is logged, the line is the one that the plain way to make it gives."""

import io
import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import event_log
from orchestrator.log_lines import WITHOUT_WORDS, JsonFormatter, TextFormatter
from orchestrator.logs import configure_logging
from orchestrator.masking import masked
from orchestrator.settings import Settings

CREDENTIALS = re.compile(r"(?<=://)[^\s/?#'\"]*@")
ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message", "hides_words"}


class Odd:
    """Not JSON, and a secret in its text."""

    def __str__(self) -> str:
        return "odd redis://u:hush@h"


class Sullen:
    def __str__(self) -> str:
        raise RuntimeError


def plain_json(record: logging.LogRecord) -> str:
    """The JSON line, made the plain way."""
    event: dict[Any, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname, "logger": record.name, "process": "worker", "message": redact(message_of(record)),
    }  # fmt: skip
    event |= {n: redact(v) for n, v in vars(record).items() if n not in STANDARD and n not in event}
    if traceback := traceback_of(record).strip():
        event["traceback"] = redact(traceback)
    try:
        return json.dumps(event, ensure_ascii=False, default=lambda value: redact(str(value)))
    except (TypeError, ValueError):
        return json.dumps({name: redact(str(value)) for name, value in event.items()}, ensure_ascii=False)


def plain_text(record: logging.LogRecord) -> str:
    """The text line, made the plain way."""
    time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
    line = f"{time} {record.levelname}: {message_of(record).translate(ESCAPES)}"
    about = [f" {n}={str(vars(record)[n]).translate(ESCAPES)}" for n in ("call_sid", "turn_id") if vars(record).get(n)]
    return redact(line + " " * bool(about) + "".join(about) + traceback_of(record))


def redact(value: Any, depth: int = 5) -> Any:
    if isinstance(value, str):
        return masked(CREDENTIALS.sub("***@", value))
    if isinstance(value, dict) and depth:
        return {name: redact(item, depth - 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)) and depth:
        return [redact(item, depth - 1) for item in value]
    return value


def message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return f"{record.msg} {record.args!r}"


def traceback_of(record: logging.LogRecord) -> str:
    formatter, escapes = logging.Formatter(), {code: text for code, text in ESCAPES.items() if code != 10}
    parts = [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
    parts += [record.stack_info] if record.stack_info else []
    return "".join(f"\n{part}" for part in parts).translate(escapes)


def outcome_of(function: Any, record: logging.LogRecord) -> Any:
    """What it returns, or that it raises: then nothing is written."""
    try:
        return function(record)
    except Exception:
        return None


TEXTS = st.one_of(
    st.sampled_from([
        "Turn replied", "CA1", "a\nb", 'say "x"', "\x1b[2J", "\u2028", "\x85", "\ud800", "back\\slash", "é 😀", "",
        "redis://u:hush@h", "to http://u:hu@sh@h/p and ://@", "https://h/a@b", "://", "@",
        "+15551235310", "to sip:margaret@pbx, %2B15551235310", "client:margaret",
    ]),
    st.text(st.sampled_from([*"ab:/@?#'\" \n\\{}\x00\x7f\udfff€"]), max_size=12),
    st.text(st.characters(exclude_categories=()), max_size=12),
)  # fmt: skip
SCALARS = st.one_of(
    TEXTS, st.integers(), st.floats(), st.booleans(), st.none(), st.binary(max_size=8), st.just(Odd()),
    st.just(Sullen()), st.sampled_from([{1, 2}, {(1, 2): 3}, datetime(2026, 1, 2, tzinfo=UTC)]),
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
NAMES = st.one_of(
    TEXTS, st.integers(),
    st.sampled_from(["action", "call_sid", "turn_id", "seconds", "ts", "level", "logger", "traceback"]),
)  # fmt: skip
TIMES = st.one_of(
    st.floats(0, 4e9), st.integers(0, 2**32).map(lambda second: second + 0.9999996), st.integers(0, 2**31).map(float),
    st.floats(-1e6, 0), st.sampled_from([float("nan"), float("inf"), 1e18, 0.5, 1.9994995, 1.9999995, -0.0000001]),
)  # fmt: skip


def error_with(text: str) -> Any:
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise ValueError(text) from error
    except ValueError as error:
        return (type(error), error, error.__traceback__)


RECORDS = st.builds(
    lambda fields, extra: logging.makeLogRecord(extra | {n: v for n, v in fields.items() if v is not None}),
    st.fixed_dictionaries(
        {
            "msg": TEXTS | VALUES, "args": st.just(()) | st.tuples(VALUES) | st.just(None), "name": TEXTS,
            "created": TIMES, "levelname": st.sampled_from(["INFO", "DEBUG", "ERROR", 'Level "7"']),
            "exc_info": st.none() | TEXTS.map(error_with) | st.just((None, None, None)),
            "stack_info": st.none() | st.just("Stack (most recent call last):\n  redis://u:hush@h"),
        }
    ),
    st.dictionaries(NAMES, VALUES, max_size=5),
)  # fmt: skip
NUMBERS = st.sampled_from([0, -1, 0.5, 1e300, -0.0, float("nan"), float("inf")]) | st.integers() | st.floats()
PLAIN = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
PLAIN_RECORDS = st.builds(
    lambda message, logger, created, extra: logging.makeLogRecord(
        {"msg": message, "name": logger, "levelname": "INFO", "created": created} | extra
    ),
    TEXTS, TEXTS, TIMES | st.floats(1, 4e9),
    st.fixed_dictionaries(
        {"call_sid": TEXTS, "seconds": NUMBERS, "other": PLAIN}, optional={"a\nb": TEXTS, "ts": PLAIN}
    ),
)  # fmt: skip
MANY = settings(max_examples=400, deadline=None)


@pytest.mark.slow
@MANY
@given(PLAIN_RECORDS | RECORDS)
def test_json_is_what_the_plain_way_makes(record) -> None:
    assert outcome_of(JsonFormatter("worker").format, record) == outcome_of(plain_json, record)


@pytest.mark.slow
@MANY
@given(PLAIN_RECORDS | RECORDS)
def test_text_is_what_the_plain_way_makes(record) -> None:
    assert outcome_of(TextFormatter().format, record) == outcome_of(plain_text, record)


def test_a_number_too_long_to_be_shown_is_no_line_in_either_way() -> None:
    record = logging.makeLogRecord({"msg": "x", "number": 10**5000})
    assert outcome_of(JsonFormatter("worker").format, record) is outcome_of(plain_json, record) is None


@given(st.lists(TIMES, min_size=2, max_size=6))
def test_times_that_follow_each_other_are_each_records_own(times) -> None:
    as_json, as_text = JsonFormatter("worker"), TextFormatter()
    for record in (logging.makeLogRecord({"created": time, "msg": "x"}) for time in times):
        assert outcome_of(as_json.format, record) == outcome_of(plain_json, record)
        assert outcome_of(as_text.format, record) == outcome_of(plain_text, record)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_event_has_the_line_that_the_logger_itself_would_write(log_format) -> None:
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    configure_logging(Settings(log_format=log_format), "worker", stream)
    logger, extra = logging.getLogger("orchestrator.somewhere"), {"action": "turn.replied", "call_sid": "CA1", "n": 1}
    try:
        logger.info("Turn %s", "replied", extra=extra)
        event_log.info(logger, "Turn %s", "replied", extra=extra)
        logger.setLevel(logging.WARNING)
        event_log.info(logger, "Turn %s", "dropped", extra=extra)
    finally:
        root.handlers[:], root.level = handlers, level
        logger.setLevel(logging.NOTSET)
    by_logger, by_event_log = (re.sub(r"[\d:.T-]{8,}", "", line, count=1) for line in stream.getvalue().splitlines())
    assert by_event_log == by_logger


def test_an_event_gets_the_fields_that_somebody_adds_to_every_record(caplog) -> None:
    class Traced(logging.LogRecord):
        trace_id = "abc"

    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Traced)
    try:
        with caplog.at_level(logging.INFO):
            event_log.info(logging.getLogger("orchestrator.somewhere"), "Turn %s", "replied", extra={"action": "x"})
    finally:
        logging.setLogRecordFactory(factory)
    assert [record.trace_id for record in caplog.records] == ["abc"]


def test_the_words_of_a_hidden_error_stay_hidden_in_either_way() -> None:
    record = logging.makeLogRecord({"exc_info": error_with("my name is Ada"), **WITHOUT_WORDS})
    assert "Ada" not in JsonFormatter("worker").format(record) + TextFormatter().format(record)
