"""Time that passes when a test says so: that of the process, and that of states in its memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.clock import process_clock
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager

PASSING = "support.passing_time:PassingStates"
"""For the setting `STATE_MANAGER`: `start_ingress(state_manager=PASSING)`."""


class PassingStates(InMemoryStateManager):
    """States in memory whose time a test moves on by `pass_time`."""

    def __init__(self, settings: Settings) -> None:
        self._passed = 0.0
        super().__init__(
            settings.state_ttl_seconds,
            ended_ttl_seconds=settings.ended_ttl,
            clock=lambda: time.monotonic() + self._passed,
        )

    def pass_time(self, seconds: float) -> None:
        """Let the states be older by `seconds`."""
        self._passed += seconds


@contextmanager
def moving_clock() -> Iterator[Callable[[float], None]]:
    """Yield a function that moves the clock of this process on by seconds, as a server with another time would do."""
    try:
        yield lambda seconds: _set_to(process_clock.now() + seconds)
    finally:
        forget_server_time()


def forget_server_time() -> None:
    """Let the clock of this process show this machine's time again."""
    _set_to(process_clock.machine())


def _set_to(server_time: float) -> None:
    moment = process_clock.monotonic()
    process_clock.synchronize(server_time, asked_at=moment, answered_at=moment)
