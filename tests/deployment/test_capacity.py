"""The blueprint's limits fit the store that it asks for: what a call takes is measured, on a real server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from support.servers import RedisServer

from orchestrator.conversation.actions import Gather, HangUp
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.testing.example_turns import a_turn, claimed
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.redis.store import RedisTurnStore

pytestmark = pytest.mark.processes

PLAN_BYTES = {"starter": 256_000_000, "standard": 1_000_000_000}
"""What Render's Key Value plans hold."""
USABLE = 0.75
"""The rest is for fragmentation, the append-only file's rewriting, and whatever else there is."""
SECONDS_A_TURN = 10
CALLS = 10

SAID = "I would like to come in on Wednesday in the morning, if you have anything then."
REPLY = (
    "I have Tuesday the twenty-fourth at ten in the morning, Wednesday the twenty-fifth at half past ten in the "
    "morning, or Thursday the twenty-sixth at three in the afternoon. Which suits you?"
)
OPENING = {"channel": "gather", "from_number": "+15558675310", "to_number": "+15551234567"}


@pytest.fixture
async def client() -> AsyncIterator[Redis]:
    with RedisServer() as server:
        async with Redis(port=server.port) as client:
            yield client


async def bytes_a_call(client: Redis, turns: int, *, ended: bool) -> float:
    """What one of `CALLS` calls of so many turns takes."""
    store = RedisTurnStore(client, ttl_seconds=3600, listener="voiceagent:ingress:measuring")
    await client.flushall()
    before = (await client.info("memory"))["used_memory"]
    for number in range(CALLS):
        for turn in range(turns):
            call_sid = f"CA{number:032x}"
            await store.submit(a_turn(f"turn-{turn}", call_sid, text=SAID), opening=OPENING)
            claim = await claimed(store, call_sid)
            action = HangUp() if ended and turn == turns - 1 else Gather(hints=("appointment", "a person", "goodbye"))
            record = TurnRecord.of(claim.turn, "replied", Reply(text=REPLY, actions=[action]), epoch=claim.lease.epoch)
            assert claim.state is not None
            await store.commit(claim, outcomes.committed_state(claim.state, None, record), record)
    after: int = (await client.info("memory"))["used_memory"]
    return (after - before) / CALLS


@pytest.mark.parametrize("turns", [12, 150])
async def test_the_store_of_the_blueprint_holds_the_calls_of_the_blueprint(
    client: Redis, blueprint: dict[str, Any], turns: int
) -> None:
    (group,) = blueprint["envVarGroups"]
    given = {variable["key"]: variable["value"] for variable in group["envVars"]}
    (plan,) = (service["plan"] for service in blueprint["services"] if service["type"] == "keyvalue")
    active = int(given["MAX_ACTIVE_CALLS"])
    ended = active * int(given["ENDED_CALL_TTL_SECONDS"]) / (turns * SECONDS_A_TURN)
    taken = active * await bytes_a_call(client, turns, ended=False)
    taken += ended * await bytes_a_call(client, turns, ended=True)
    assert taken < USABLE * PLAN_BYTES[plan], f"{active} calls of {turns} turns take {taken / 1e6:.0f} MB"
