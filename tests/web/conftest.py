"""Fixtures for the ingress."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from support.ingress import Ingress, StartIngress, started_ingress
from support.passing_time import moving_clock


@pytest.fixture
def start_ingress() -> StartIngress:
    """Start an ingress of the test's own: `async with start_ingress(agent=…, **settings) as ingress`."""
    return started_ingress


@pytest.fixture
async def ingress() -> AsyncIterator[Ingress]:
    """An ingress whose agent repeats the caller's words."""
    async with started_ingress() as started:
        yield started


@pytest.fixture
def gate() -> asyncio.Event:
    """An event for which an agent can wait."""
    return asyncio.Event()


@pytest.fixture
def move_clock() -> Iterator[Callable[[float], None]]:
    """A function that moves the clock of this process on by seconds."""
    with moving_clock() as move:
        yield move
