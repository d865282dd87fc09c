"""`Target`: one reader of what strangers send, and how it is judged."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

HANG_SECONDS = 60
"""No reader computes for so long, on however slow a machine."""
MOST_GROWTH = 200
"""What is made of an input is at most so many times as long as that and a kilobyte."""


class Hang(BaseException):
    """A reader did not return."""


@dataclass(frozen=True)
class Target:
    """A reader. `refusals` are the errors by which it refuses, and all that it may raise. `examples` are right."""

    name: str
    read: Callable[[bytes], Any]
    examples: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = ()

    def try_input(self, data: bytes) -> str:
        """Return what is wrong with how the reader takes this input; "" if nothing is."""
        try:
            with _bounded_in_time():
                found = self.read(data)
        except self.refusals:
            return ""
        except Hang:
            return f"it did not return within {HANG_SECONDS} s"
        except Exception as error:
            return f"it raised {type(error).__name__}: {str(error)[:200]}"
        size = len(repr(found))
        return f"it made {size} characters" if size > MOST_GROWTH * (len(data) + 1000) else ""


@contextmanager
def _bounded_in_time() -> Iterator[None]:
    def hang(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
