"""A silent caller with an open socket has not hung up; and nobody is hung up on without a word."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis.asyncio import Redis
from support.ingress import CALL
from support.passing_time import PASSING
from support.programs import programs, ready
from support.relay import relay_socket
from support.servers import RedisServer, free_port
from support.waiting import wait_until

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.redis import keys
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.turns.abandoned_calls import is_abandoned
from orchestrator.turns.redis.store import RedisTurnStore
from web.twilio.relay.keep_alive import KeepAlive
from web.twilio.twiml import GOODBYE
from workers.cron import end_abandoned

LIFE = 1
"""STATE_TTL_SECONDS. The state of a call by telephone lives for some minutes in any case."""


async def test_a_call_in_memory_outlives_its_time_as_long_as_its_line_is_open(start_ingress):
    async with (
        start_ingress(state_ttl_seconds=LIFE, state_manager=PASSING) as ingress,
        relay_socket(ingress.url) as caller,
    ):
        await caller.setup(CALL)
        await caller.reply()
        states = ingress.runtime.states

        async def is_kept() -> bool:
            return dict(await states.expiring(3600))[CALL] > 340

        for _ in range(10):
            await wait_until(is_kept, "it is kept alive")
            states.pass_time(60)
        await caller.prompt("still here")
        assert await caller.reply() == "You said still here."


@pytest.mark.processes
async def test_a_call_in_redis_is_neither_forgotten_nor_taken_for_abandoned(tmp_path: Path, start_redis):
    redis: RedisServer = start_redis()
    port = free_port()
    with programs(tmp_path, VOICE_CHANNEL="relay", STATE_TTL_SECONDS=str(LIFE)) as start:
        start("web", REDIS_URL=redis.url, PORT=str(port))
        start("workers", REDIS_URL=redis.url)
        await ready(f"http://127.0.0.1:{port}")
        async with (
            Redis.from_url(redis.url, socket_timeout=30) as client,
            relay_socket(f"http://127.0.0.1:{port}", None) as caller,
        ):
            await caller.setup("CA1")
            await caller.reply()
            runtime = SimpleNamespace(
                store=RedisTurnStore(client, ttl_seconds=LIFE), states=RedisStateManager(client, LIFE)
            )
            aged = (await client.time())[0] + 100
            await client.expire(keys.state("CA1"), 100)
            await client.zadd(keys.ACTIVE_CALLS, {"CA1": aged})

            async def is_kept() -> bool:
                return min(await client.ttl(keys.state("CA1")) + aged - 100, await client.zscore(*entry)) > aged + 60

            entry = (keys.ACTIVE_CALLS, "CA1")
            await wait_until(is_kept, "it is kept alive")
            assert await end_abandoned({"runtime": runtime}) == 0
            await caller.prompt("still here")
            assert await caller.reply() == "You said: still here"
            state = ConversationState.model_validate_json(await client.get(keys.state("CA1")))
    assert [turn.kind for turn in state.turns] == ["started", "speech"]


class OnlyWrites(InMemoryStateManager):
    """A store that renews a state's TTL only when the state is written."""

    async def keep_alive(self, call_sids, seconds) -> bool:
        return False


async def test_a_store_that_cannot_keep_calls_alive_is_written_to_again():
    states = OnlyWrites(LIFE)
    begun = await states.create_state("CA1")
    await states.create_state("CA2", status="completed", ended={"status": "completed"})
    open_lines = SimpleNamespace(call_sids=["CA1", "CA2", "CA-unknown"])

    async def written() -> ConversationState | None:
        state = await states.get_state("CA1")
        return state if state.version > begun.version else None

    async with KeepAlive(open_lines, states, 0.05):
        state = await wait_until(written, "it is written again")
    assert state.updated_at > begun.updated_at
    assert (await states.get_state("CA2")).version == 1
    silent = state.model_copy(update={"created_at": utc_now() - timedelta(hours=1)})
    assert not is_abandoned(silent, 3600, None)
    assert is_abandoned(silent.model_copy(update={"open_until": utc_now()}), 3600, None)


@pytest.mark.parametrize("speaks_first", [True, False])
async def test_whose_call_was_ended_meanwhile_is_told_goodbye(ingress, speaks_first):
    async with relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        ended = Turn(turn_id="ended", call_sid=CALL, kind="ended", text="abandoned")
        await (await ingress.runtime.dispatcher.submit(ended)).wait(60)
        if speaks_first:
            await caller.send("info", name="agentSpeaking", value="off")
            await caller.prompt("are you there?")
            assert await caller.reply() == GOODBYE
            await caller.send("info", name="agentSpeaking", value="off")
            assert (await caller.frame())["type"] == "end"
    if not speaks_first:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", customParameters={"lines": "0-99999999999"})
            assert await caller.reply() == GOODBYE
            await caller.send("info", name="agentSpeaking", value="off")
            assert (await caller.frame())["type"] == "end"


async def test_a_caller_who_speaks_during_the_agents_goodbye_still_hears_it(start_ingress):
    async def curt(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Hello!" if turn.kind == "started" else "Bye!"
        if turn.kind == "speech":
            yield HangUp()

    async with start_ingress(agent=curt) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await caller.send("info", name="agentSpeaking", value="off")
        for words in ("that was all", "thank you"):
            await caller.prompt(words)
        frames = [await caller.frame()]
        while frames[-1]["type"] != "end":
            await caller.send("info", name="agentSpeaking", value="off")
            frames.append(await caller.frame())
        said = "".join(frame.get("token", "") for frame in frames)
    assert said == "Bye!"
