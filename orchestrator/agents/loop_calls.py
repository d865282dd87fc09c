"""`LoopCalls`: calls functions in an event loop from other threads."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class LoopCalls:
    """Calls functions in `loop`, one after the other, from any thread, until it is closed in the loop's own thread.

    `call_soon_threadsafe` wakes the loop's thread while the caller has the interpreter lock, for which that thread then
    waits: it is woken twice, and so is the caller. A write to a pipe gives the lock back for as long as it takes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._lock = threading.Lock()  # nobody writes to a pipe that is closed, and may be somebody else's by now
        self._is_woken = False
        self._is_closed = False
        self._end, self._bell = os.pipe()
        os.set_blocking(self._end, False)
        loop.add_reader(self._end, self._run)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call the function soon. Do nothing if the calls are closed."""
        self._calls.append((function, arguments))
        with self._lock:
            if not self._is_woken and not self._is_closed:
                self._is_woken = True
                os.write(self._bell, b"!")

    def close(self) -> None:
        """Call nothing more. In the thread of the loop, or while that does not run."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            with suppress(RuntimeError):  # the loop may be closed
                self._loop.remove_reader(self._end)
            os.close(self._end)
            os.close(self._bell)
        self._calls.clear()

    def _run(self) -> None:
        os.read(self._end, 16)
        self._is_woken = False  # before the calls are looked at: what comes from now on wakes the loop again
        for _ in range(len(self._calls)):
            if self._is_closed:
                return
            function, arguments = self._calls.popleft()
            try:
                function(*arguments)
            except Exception as error:
                self._loop.call_exception_handler({"message": f"{function!r} failed", "exception": error})
