"""A bound on the time of one call to the store."""

from collections.abc import Awaitable
from typing import TypeVar

from orchestrator.deadline import deadline
from orchestrator.errors import StoreUnavailable

T = TypeVar("T")


async def store_call(operation: Awaitable[T], seconds: float) -> T:
    """Return the result of `operation`. Raise `StoreUnavailable` after `seconds`.

    A transport that hangs counts as a store that does not answer.
    """
    try:
        with deadline(seconds):
            return await operation
    except TimeoutError:
        raise StoreUnavailable from None
