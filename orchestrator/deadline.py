"""`deadline`: what `asyncio.timeout` does, at half of its cost. For what every turn does; elsewhere, use that."""

import asyncio
from types import TracebackType


class deadline:  # noqa: N801  # named like `asyncio.timeout`
    """A context manager that cancels its block after `seconds`, and then raises `TimeoutError`.

    A task that is cancelled by somebody else at the same time stays cancelled.
    """

    __slots__ = ("_cancelling", "_is_over", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "only a task can be cancelled"
        self._task, self._cancelling = task, task.cancelling()
        self._timer = loop.call_later(self._seconds, self._end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()
