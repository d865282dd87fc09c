"""A phone call that is open lives on, however short the time to live is; what has ended does not."""

from typing import Any

import pytest

from orchestrator.conversation.actions import Gather, Play, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.redis import keys
from orchestrator.testing.example_turns import a_turn, claimed
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.redis.store import RedisTurnStore

PHONE = {"channel": "gather"}
HOURS = 4 * 3600


@pytest.fixture
def store(redis_client) -> RedisTurnStore:
    return RedisTurnStore(redis_client, ttl_seconds=1, listener="here")


async def answer(store: RedisTurnStore, turn_id: str, *actions: Any, text: str = "Yes?", opening: Any = PHONE) -> None:
    await store.submit(a_turn(turn_id), opening=opening)
    claim = await claimed(store)
    record = TurnRecord.of(claim.turn, "replied", Reply(text=text, actions=list(actions)), epoch=claim.lease.epoch)
    assert (await store.commit(claim, outcomes.with_record(claim.state, None, record), record)).status == "committed"


async def lives(redis_client) -> list[int]:
    """How long it stands in the index, and how long its state and its lease live, in seconds."""
    call = keys.call("CA1")
    score = await redis_client.zscore(keys.ACTIVE_CALLS, "CA1") or 0
    listed = score - (await redis_client.time())[0]
    return [int(listed), *[await redis_client.ttl(key) for key in (call.state, call.lease)]]


async def test_a_caller_may_think_and_speak_for_longer_than_the_time_to_live(store, redis_client) -> None:
    await answer(store, "t1")
    assert min(await lives(redis_client)) > 60


async def test_a_turn_that_waits_or_runs_keeps_its_call(store, redis_client) -> None:
    await store.submit(a_turn("t1"), opening={"channel": "api"})
    assert min((await lives(redis_client))[:2]) >= 30
    await redis_client.pexpire(keys.state("CA1"), 20_000)
    await redis_client.zadd(keys.ACTIVE_CALLS, {"CA1": (await redis_client.time())[0] + 20})
    await store.submit(a_turn("t2"))
    assert min((await lives(redis_client))[:2]) >= 30


async def test_a_long_reply_keeps_its_call_while_it_is_spoken(store, redis_client) -> None:
    await answer(store, "t1", text="word " * 2000)
    assert min(await lives(redis_client)) > 1000


async def test_a_long_wait_for_an_answer_is_allowed_for(store, redis_client) -> None:
    await answer(store, "t1", Gather(timeout_seconds=60))
    assert min(await lives(redis_client)) > 120


@pytest.mark.parametrize("action", [Play("https://example.com/a.mp3", loop=0), Transfer("+15550001111")])
async def test_what_lasts_nobody_knows_how_long_keeps_its_call_for_hours(store, redis_client, action) -> None:
    await answer(store, "t1", action)
    assert min(await lives(redis_client)) > HOURS
    await store.submit(a_turn("t2"))
    claim = await claimed(store)
    record = TurnRecord.of(claim.turn, "replied", Reply(text="There you are."), epoch=claim.lease.epoch)
    await store.commit(claim, outcomes.with_record(claim.state, None, record), record)
    assert max(await lives(redis_client)) < HOURS, "and no longer than that"


async def test_a_text_conversation_lives_as_long_as_it_is_set(store, redis_client) -> None:
    await answer(store, "t1", opening={"channel": "api"})
    assert await redis_client.pttl(keys.state("CA1")) <= 1000


async def test_a_call_that_has_ended_is_kept_as_long_as_it_is_set(store, redis_client) -> None:
    await answer(store, "t1")
    await store.submit(a_turn("end", kind="ended", text="completed"))
    claim = await claimed(store)
    record = TurnRecord.of(claim.turn, "replied", Reply(), epoch=claim.lease.epoch)
    await store.commit(claim, outcomes.with_record(claim.state, None, record), record)
    assert await redis_client.pttl(keys.state("CA1")) <= 1000
