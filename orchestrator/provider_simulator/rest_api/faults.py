"""How the REST API fails when it is told to."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Operation = Literal[
    "create_call", "fetch_call", "update_call", "create_message", "fetch_message", "list_messages",
    "list_numbers",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request instead of a plain answer.

    `status` and `code` are the error that is answered (0: none). `carries_out`: the request takes effect. `is_lost`:
    the connection is closed without an answer. `seconds` and `gate` hold the answer back.
    """

    status: int = 0
    code: int = 0
    carries_out: bool = True
    is_lost: bool = False
    seconds: float = 0
    gate: asyncio.Event | None = field(default=None, compare=False)

    @classmethod
    def refused(cls, status: int, code: int = 0) -> "Fault":
        """Return an error after which nothing has happened, such as 429 with code 20429."""
        return cls(status, code or status + 20000, carries_out=False)

    @classmethod
    def failed_after(cls, status: int = 500) -> "Fault":
        """Return an error although the request has taken effect."""
        return cls(status, status + 20000)

    @classmethod
    def answer_lost(cls) -> "Fault":
        """Return a connection that closes after the request has taken effect, before it is answered."""
        return cls(is_lost=True)

    @classmethod
    def request_lost(cls) -> "Fault":
        """Return a connection that closes before the request has taken effect."""
        return cls(is_lost=True, carries_out=False)

    @classmethod
    def slow(cls, seconds: float) -> "Fault":
        """Return an answer that comes this much later than the effect."""
        return cls(seconds=seconds)

    @classmethod
    def held(cls, gate: asyncio.Event) -> "Fault":
        """Return an answer that comes once `gate` is set; the effect is at once."""
        return cls(gate=gate)

    async def wait(self) -> None:
        """Hold the answer back."""
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.gate is not None:
            await self.gate.wait()


NO_FAULT = Fault()

FaultSource = Callable[[Operation], Fault | None]


class Faults:
    """The faults of the next requests. `source` is asked where none was ordered."""

    def __init__(self, source: FaultSource | None = None) -> None:
        self.source = source
        self._next: defaultdict[Operation, deque[Fault]] = defaultdict(deque)

    def add(self, operation: Operation, *faults: Fault) -> None:
        """Let the next requests of this kind fail so, one fault for each."""
        self._next[operation].extend(faults)

    def take(self, operation: Operation) -> Fault:
        """Return the fault of a request that has come."""
        if self._next[operation]:
            return self._next[operation].popleft()
        return (self.source(operation) if self.source is not None else None) or NO_FAULT
