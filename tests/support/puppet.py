"""An agent that does what the words of the turn say; a test pulls the strings by files in `STAGE`.

`wait for NAME` says one word, leaves a file `NAME.running` and waits until there is a file `NAME.go`;
`raise`, `hang`, `flood` and `block for NAME` (until `NAME.go`) misbehave; `hang up` and `connect for NUMBER` do so;
anything else is repeated.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from orchestrator.agents.protocol import Part
from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

STAGE = "STAGE"
GREETING = "Hello."
BLOCK_SECONDS = 120.0
"""Of a `block` that nobody ends; see `Strings.go`."""


class Strings:
    """The test's end: a directory that all processes see."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def is_running(self, name: str) -> bool:
        """Whether an agent waits for `name`."""
        return (self.directory / f"{name}.running").exists()

    def was_cancelled(self, name: str) -> bool:
        """Whether an agent was cancelled while it waited for `name`."""
        return (self.directory / f"{name}.cancelled").exists()

    def go(self, name: str) -> None:
        """Let everybody who waits for `name` go on."""
        (self.directory / f"{name}.go").touch()


async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """As the module says; each turn that was said to its end is one entry in the slot `seen`."""
    with open(os.environ["RUNS_FILE"], "ab", buffering=0) as runs:
        runs.write(f"{turn.idempotency_key}\n".encode())
    if turn.kind == "started":
        yield GREETING
    elif turn.kind == "speech":
        command, _, name = turn.text.partition(" for ")
        async for part in _do(command, name):
            yield part
        state.slots.setdefault("seen", []).append(turn.turn_id)
        yield f"You said {turn.text}."


async def _do(command: str, name: str) -> AsyncIterator[Part]:
    match command:
        case "hang up":
            yield HangUp()
        case "connect":
            yield Transfer(name)
        case "wait":
            yield "Well. "
            await _wait(Path(os.environ[STAGE]), name)
        case "raise":
            raise RuntimeError("as I was told")
        case "hang":
            await asyncio.Event().wait()
        case "flood":
            while True:
                yield "blah " * 1000
        case "block":
            _block(Path(os.environ[STAGE]), name)


def _block(stage: Path, name: str) -> None:
    (stage / f"{name}.running").touch()
    end = time.monotonic() + BLOCK_SECONDS
    while not (stage / f"{name}.go").exists() and time.monotonic() < end:
        time.sleep(0.01)


async def _wait(stage: Path, name: str) -> None:
    (stage / f"{name}.running").touch()
    try:
        while not (stage / f"{name}.go").exists():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        (stage / f"{name}.cancelled").touch()
        raise
