"""A running ingress that is fuzzed, and what must be true of it whatever it gets: no error in its log, no task left, no
table that grows."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from fuzz.http_request import SETTINGS
from support.ingress import Ingress, started_ingress
from support.waiting import wait_until

from orchestrator.conversation.actions import Gather, HangUp, Play, Record, SendDigits, SetLanguage, SetVoice, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

ROUTES = """
[agents.north]
agent = "echo"
language = "sv-SE"

[[routes]]
number = "*"
agent = "north"
"""
ACTIONS: tuple[Any, ...] = (
    Gather(sensitive=True), Gather(input="keys", num_digits=4, hints=("yes", "<no>")), Play("https://example.com/a"),
    SetLanguage(speech="sv-SE"), SetVoice("a voice"), SendDigits("1w2"),
    Transfer(("+15551230000", "sip:desk@example.com"), then="return", announce="A caller", accept_key="1"), Record(),
    HangUp(),
)  # fmt: skip


async def actor(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Repeats what it hears, and does one thing after the other."""
    yield f"You said {turn.text}."
    yield ACTIONS[len(state.turns) % len(ACTIONS)]


class ErrorLog(logging.Handler):
    """Keeps what is logged as an error, or with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record if it reports a bug."""
        if record.levelno >= logging.ERROR or record.exc_info:
            self.lines.append(f"{record.name}: {record.getMessage()} {record.exc_info or ''}")


@contextmanager
def error_log() -> Iterator[ErrorLog]:
    """The errors that are logged while the block runs."""
    handler = ErrorLog()
    logging.getLogger().addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger().removeHandler(handler)


@asynccontextmanager
async def fuzzed_ingress(directory: Path) -> AsyncIterator[Ingress]:
    """An ingress without Redis that knows three providers, has events, and an agent that does everything."""
    (directory / "routes.toml").write_text(ROUTES)
    async with started_ingress(
        agent=actor, events_file=str(directory / "events.jsonl"), routes=str(directory / "routes.toml"), **SETTINGS
    ) as ingress:
        yield ingress


def object_count() -> int:
    """Return how many objects there are that can hold others."""
    gc.collect()
    return len(gc.get_objects())


async def wait_until_quiet(tasks: int) -> None:
    """Wait until there are no more tasks than before. Raise AssertionError."""
    await wait_until(
        lambda: len(asyncio.all_tasks()) <= tasks,
        f"the tasks have ended: {sorted(task.get_name() for task in asyncio.all_tasks())}",
    )
