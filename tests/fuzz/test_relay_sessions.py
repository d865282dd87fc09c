"""Whatever a provider's socket brings: its session goes on or is closed, and nobody else's is harmed."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from fuzz.corpus import inputs_of
from fuzz.mutation import Mutator
from fuzz.network_readers import TARGETS
from fuzz.served import error_log, fuzzed_ingress, object_count, wait_until_quiet
from support.relay import RelaySocket, relay_socket
from websockets.exceptions import ConnectionClosed

SESSIONS = 40
FRAMES = 12
"""In one session."""
SEED = 20261127
LONGEST_FRAME = 60_000
DEADLINE_SECONDS = 60
MOST_OBJECTS = 2000

pytestmark = pytest.mark.slow


def frames() -> Mutator:
    (target,) = (target for target in TARGETS if target.name == "relay-frame")
    return Mutator(f"{SEED} sessions", [*target.examples, *inputs_of(target.name)])


async def throw(caller: RelaySocket, mutator: Mutator, call_sid: str) -> None:
    """Begin a session, and send it what no provider sends."""
    await caller.setup(call_sid)
    for number in range(FRAMES):
        data = mutator.next()[:LONGEST_FRAME]
        await caller.raw(data if number % 7 == 6 else data.decode(errors="replace"))
    await caller.prompt("Are you there?")


async def hears_a_reply(caller: RelaySocket) -> bool:
    """True if the session answers; False if it is closed, which a wrong frame may lead to."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for text in caller.connection:
                frame = json.loads(text)
                if frame["type"] == "end" or "Are you there?" in frame.get("token", ""):
                    return True
    return False


async def one_session(url: str, mutator: Mutator, number: int) -> bool:
    """Return whether the session answered after all that was sent."""
    async with relay_socket(url) as caller:
        with suppress(ConnectionClosed):
            await throw(caller, mutator, f"CArelay{number}")
        return await hears_a_reply(caller)


async def test_sessions_survive_every_frame(tmp_path: Path) -> None:
    mutator = frames()
    async with fuzzed_ingress(tmp_path) as ingress:
        tasks = len(asyncio.all_tasks())
        answered = 0
        with error_log() as log:
            async with relay_socket(ingress.url) as other:
                await other.setup("CAother")
                for number in range(SESSIONS):
                    answered += await one_session(ingress.url, mutator, number)
                    assert not log.lines, (number, log.lines)
                await other.prompt("Are you there?")
                assert await hears_a_reply(other)
        assert answered > SESSIONS / 2  # else the frames behind a closing one would not be tried
        await wait_until_quiet(tasks)


async def test_sessions_leave_nothing_behind(tmp_path: Path) -> None:
    async with fuzzed_ingress(tmp_path) as ingress:
        counts = []
        for _ in range(4):
            mutator = frames()
            for number in range(10):
                await one_session(ingress.url, mutator, number)
                await ingress.client.delete(f"/calls/CArelay{number}", headers={"Authorization": "Bearer x"})
            counts.append(object_count())
        assert counts[-1] - counts[-2] < MOST_OBJECTS, counts
