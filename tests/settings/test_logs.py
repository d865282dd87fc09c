"""One event a line, without secrets, whatever is logged."""

import io
import json
import logging

import pytest

from orchestrator.logs import WITHOUT_WORDS, configure_logging, redact
from orchestrator.settings import Settings

log = logging.getLogger("orchestrator.somewhere")


@pytest.fixture
def logged():
    """Configures logging, and gives the lines that were written."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()

    def configure(**settings: str):
        configure_logging(Settings(**settings), "web", stream)
        return lambda: stream.getvalue().splitlines()

    yield configure
    root.handlers[:], root.level = handlers, level


def test_text_shows_level_message_and_what_it_is_about(logged) -> None:
    lines = logged(log_format="text")
    log.info("Turn %s", "committed", extra={"action": "turn.committed", "call_sid": "CA1", "turn_id": "t2"})
    log.warning("Careful")
    assert lines()[0].partition(" ")[2] == "INFO: Turn committed  call_sid=CA1 turn_id=t2"
    assert lines()[1].partition(" ")[2] == "WARNING: Careful"


def test_json_is_one_object_a_line_with_every_extra(logged) -> None:
    lines = logged(log_format="json")
    log.info("Two\nlines", extra={"action": "x", "call_sid": "CA1", "took_ms": 1.5, "odd": {1, 2}})
    [line] = lines()
    event = json.loads(line)
    assert event.pop("ts").endswith("+00:00")
    assert event == {
        "level": "INFO", "logger": "orchestrator.somewhere", "process": "web", "message": "Two\nlines",
        "action": "x", "call_sid": "CA1", "took_ms": 1.5, "odd": "{1, 2}",
    }  # fmt: skip


@pytest.mark.parametrize("strange", ["\x1b[2J", "\x07", "\x9b2J", "\u2028", "\r", "\x7f", "\x00", "\x85"])
def test_text_holds_no_control_characters_of_strangers(logged, strange) -> None:
    lines = logged(log_format="text")
    log.warning("The relay says: %s", f"a{strange}b", extra={"call_sid": f"CA{strange}1"})
    try:
        raise ValueError(f"bad{strange}word")
    except ValueError:
        log.exception("It failed")
    text = "\n".join(lines())
    assert strange not in text
    assert text.count(repr(strange)[1:-1]) >= 3


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_kept_and_its_urls_are_redacted(logged, log_format) -> None:
    lines = logged(log_format=log_format)
    try:
        raise ValueError("cannot use redis://user:hu@sh@host:1/0")
    except ValueError:
        log.exception("It failed")
    text = "\n".join(lines())
    assert "ValueError" in text
    assert "redis://***@host:1/0" in text
    assert "sh@" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_a_traceback_that_may_quote_a_caller_has_the_kinds_of_its_errors_alone(logged, log_format, level) -> None:
    lines = logged(log_format=log_format, log_level=level)
    try:
        try:
            raise KeyError("my name is Ada")
        except KeyError as error:
            raise ValueError("no such day: my birthday") from error
    except ValueError:
        log.exception("It failed", extra=WITHOUT_WORDS)
    text = "\n".join(lines())
    assert "KeyError" in text
    assert "ValueError" in text
    assert "test_logs.py" in text
    assert "hides_words" not in text
    assert ("KeyError: 'my name is Ada'" in text, "ValueError: no such day" in text) == (level == "DEBUG",) * 2


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_passwords_in_urls_never_come_out(logged, log_format) -> None:
    lines = logged(log_format=log_format)
    log.warning("At %s", "rediss://:hush@h:1", extra={"call_sid": "redis://u:hush@h", "url": "http://u:hush@h"})
    assert "hush" not in "".join(lines())


def test_nothing_that_is_logged_can_raise(logged) -> None:
    class Sullen:
        def __str__(self) -> str:
            raise RuntimeError

    for log_format in ("text", "json"):
        lines = logged(log_format=log_format)
        log.info("too %s few %s", "arguments")
        log.info("odd", extra={"call_sid": Sullen(), "what": Sullen()})
        loop: list[object] = []
        loop.append(loop)
        log.info("round", extra={"what": loop})
        log.info("lone surrogate \ud800")
    assert any("too %s few %s" in line for line in lines())
    assert any("round" in line for line in lines())


def test_a_closed_stream_harms_nobody() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging(Settings(), "web", stream)
    stream.close()
    log.error("lost")
    root.handlers[:], root.level = handlers, level


def test_the_noise_of_libraries_is_left_out_and_their_warnings_are_not(logged) -> None:
    lines = logged()
    logging.getLogger("arq.worker").info("poll")
    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("uvicorn.error").warning("something is wrong")
    assert [line.partition(" ")[2] for line in lines()] == ["WARNING: something is wrong"]


def test_the_level_is_the_settings(logged) -> None:
    lines = logged(log_level="WARNING")
    log.info("no")
    log.warning("yes")
    assert len(lines()) == 1


def test_configuring_twice_logs_once(logged) -> None:
    logged()
    lines = logged()
    log.info("once")
    assert len(lines()) == 1


def test_colour_is_for_terminals_alone() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = Terminal()
    configure_logging(Settings(), "web", stream)
    log.warning("seen")
    root.handlers[:], root.level = handlers, level
    assert "\x1b[33mWARNING:\x1b[0m seen" in stream.getvalue()


def test_redacting_leaves_other_text_alone() -> None:
    text = "https://h/a@b mail a@b.example redis://h:1/0"
    assert redact(text) == text
