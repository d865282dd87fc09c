"""Functions that the tests start as activities."""

import asyncio
import sys
import threading
import time
from typing import Any

BLOCKED = threading.Event()
"""Set it to let functions return that block."""
SEEN: list[Any] = []


def add(a: int, b: int) -> int:
    return a + b


async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def keyed(idempotency_key: str) -> str:
    return idempotency_key


def thread() -> str:
    return threading.current_thread().name


async def loop_thread() -> str:
    return threading.current_thread().name


def raising(words: str) -> None:
    raise KeyError(words)


async def raising_later() -> None:
    raise ZeroDivisionError("a caller's words")


def leaving() -> None:
    sys.exit(3)


async def leaving_later() -> None:
    sys.exit(3)


def object_() -> object:
    return object()


async def object_later() -> object:
    return object()


def long_text() -> str:
    return "x" * 200_000


def nested() -> Any:
    value: Any = "deep"
    for _ in range(190):
        value = [value]
    return value


def blocking() -> str:
    BLOCKED.wait(60)
    return "late"


async def blocking_loop() -> str:
    SEEN.append("blocks")
    BLOCKED.wait(60)
    return "late"


async def waiting() -> None:
    SEEN.append("began")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        SEEN.append("cancelled")
        raise


async def released() -> str:
    SEEN.append("began")
    while not BLOCKED.is_set():
        await asyncio.sleep(0.01)
    return "released"


def coroutine_of() -> Any:
    return add_later(1, 2)


def now() -> float:
    return time.time()
