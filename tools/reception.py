"""Callers of the receptionist, for pictures: each calls again and again, with pauses as a person makes them."""

import asyncio
import random
import sys
from contextlib import aclosing

import httpx

from orchestrator.provider_simulator import Asked, CallIdentity, PhoneLine
from orchestrator.provider_simulator.retries import RetryPolicy
from orchestrator.provider_simulator.webhooks import new_client

RETRY = RetryPolicy(on=frozenset({"ct", "rt", "5xx"}), total_seconds=30)
LINES = (
    "I need an appointment about my {what}. I'm {name}, 555 123 {digits}.",
    "yes, I was there in May",
    "the second one",
    "yes",
    "no thanks, bye",
)
NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov", "Radia Perlman")
PREFIX = "+1555867"
"""Of the numbers of these callers, which are told from others by it."""
TROUBLES = ("knee", "back", "left ear", "eyes", "shoulder")


async def receive(url: str, callers: int) -> None:
    """Let so many call until cancelled. What one of them fails with ends all."""
    async with new_client() as client, asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(_caller(url, client, random.Random(number)))


async def _caller(url: str, client: httpx.AsyncClient, chance: random.Random) -> None:
    while True:
        try:
            async with asyncio.timeout(120):
                await _call(url, client, chance)
        except TimeoutError:
            print("A call hung and was left.", file=sys.stderr)


async def _call(url: str, client: httpx.AsyncClient, chance: random.Random) -> None:
    """Make a call, and answer each question when it is asked: a call that is over asks no more."""
    identity = CallIdentity(from_number=f"{PREFIX}{chance.randrange(1000, 9999)}")
    line = PhoneLine(url, identity=identity, retry=RETRY, begin=RETRY, client=client)
    words = {"what": chance.choice(TROUBLES), "name": chance.choice(NAMES), "digits": chance.randrange(1000, 9999)}
    left = [text.format(**words) for text in LINES]
    async with aclosing(line.call()) as events:
        async for event in events:
            if not isinstance(event, Asked):
                continue
            await asyncio.sleep(chance.uniform(2, 9))
            if not left:
                line.hang_up()
            elif line.answer_speech(left[0]):
                del left[0]
            else:
                line.answer_silence()
