"""What the record of a turn says of its run: who ran it, at which attempt, and what it has survived."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from orchestrator.agents.echo import echo
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.faults import MOST_FAULTS, Fault, with_fault
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import OPENING, a_turn
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner
from orchestrator.turns.store import Claim, Commit


@pytest.fixture
def store(redis_client: Redis) -> RedisTurnStore:
    return RedisTurnStore(redis_client, ttl_seconds=60)


@pytest.fixture
async def runner(store: RedisTurnStore) -> AsyncIterator[TurnRunner]:
    async with AgentHost() as host:
        yield TurnRunner(store, Agent("echo", echo, isolation="inline"), host, agent_timeout_seconds=30)


async def recorded(redis_client: Redis, turn_id: str) -> TurnRecord:
    state = await RedisStateManager(redis_client, 60).get_state("CA1")
    assert state is not None
    record = state.record_of(turn_id)
    assert record is not None
    return record


async def let_expire(redis_client: Redis) -> None:
    """Let the lease of the call be one that was not renewed."""
    await redis_client.hset(keys.call("CA1").lease, "until", 1)


async def test_an_ordinary_turn_names_its_worker_and_nothing_else(store, runner, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await runner.run(await store.claim("CA1", "anna"))
    record = await recorded(redis_client, "t1")
    assert (record.worker, record.attempts, record.absorbed) == ("anna", 1, [])
    assert {"attempts", "absorbed"}.isdisjoint(record.model_dump())


async def test_a_turn_that_was_taken_from_a_lost_worker_names_it(store, runner, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    assert await store.claim("CA1", "anna") is not None
    await let_expire(redis_client)
    claim = await store.claim("CA1", "bert")
    await runner.run(claim)
    record = await recorded(redis_client, "t1")
    assert (record.worker, record.attempts) == ("bert", 2)
    assert [(it.fault, it.process) for it in record.absorbed] == [("worker_lost", "anna")]
    assert record.absorbed[0].lost_ms >= 0
    assert claim.taken_from == "anna"
    assert claim.silent_since is not None


async def test_a_worker_that_gets_its_own_lost_lease_again_says_so(store, runner, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await store.claim("CA1", "anna")
    await let_expire(redis_client)
    await runner.run(await store.claim("CA1", "anna"))
    record = await recorded(redis_client, "t1")
    assert [(it.fault, it.process) for it in record.absorbed] == [("lease_lost", "anna")]


async def test_a_turn_that_was_given_back_is_nobodys_loss(store, runner, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await store.release(await store.claim("CA1", "anna"))
    await runner.run(await store.claim("CA1", "bert"))
    record = await recorded(redis_client, "t1")
    assert (record.worker, record.absorbed) == ("bert", [])


async def test_an_attempt_that_ended_without_a_reply_is_named(store, runner, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await store.retry_later(await store.claim("CA1", "anna"), 0)
    await runner.run(await store.claim("CA1", "bert"))
    record = await recorded(redis_client, "t1")
    assert (record.attempts, [it.fault for it in record.absorbed]) == (2, ["tried_again"])


async def test_the_turn_that_follows_one_of_a_lost_worker_has_survived_nothing(store, runner, redis_client) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await store.submit(a_turn("t2", kind="speech"), opening=OPENING)
    await store.claim("CA1", "anna")
    await let_expire(redis_client)
    await runner.run(await store.claim("CA1", "bert"))
    assert (await recorded(redis_client, "t2")).absorbed == []


class FailingStore(RedisTurnStore):
    """Fails the first commits of each turn."""

    failures = 2

    async def commit(self, claim: Claim, state: ConversationState | None, record: TurnRecord, **more: bool) -> Commit:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("as the test says")
        return await super().commit(claim, state, record, **more)


async def test_a_reply_that_had_to_wait_for_redis_says_so(redis_client) -> None:
    store = FailingStore(redis_client, ttl_seconds=60)
    await store.submit(a_turn("t1"), opening=OPENING)
    async with AgentHost() as host:
        agent = Agent("echo", echo, isolation="inline")
        runner = TurnRunner(store, agent, host, agent_timeout_seconds=30)
        await runner.run(await store.claim("CA1", "anna"))
    record = await recorded(redis_client, "t1")
    assert [it.fault for it in record.absorbed] == ["redis_outage"]
    assert record.absorbed[0].lost_ms > 0


async def test_a_turn_that_its_ingress_held_says_for_how_long(store, runner, redis_client) -> None:
    held = Turn(turn_id="t1", call_sid="CA1", kind="started")
    held = held.model_copy(update={"received_at": held.received_at.replace(year=held.received_at.year - 1)})
    await store.submit(held, opening=OPENING)
    await runner.run(await store.claim("CA1", "anna"))
    (fault,) = (await recorded(redis_client, "t1")).absorbed
    assert fault.fault == "held"
    assert fault.lost_ms > 300 * 86_400_000


def test_faults_of_one_kind_and_process_are_one_and_all_are_bounded() -> None:
    absorbed: list[Fault] = []
    for ms in (5.0, 9.0, 7.0):
        absorbed = with_fault(absorbed, Fault(fault="redis_outage", lost_ms=ms))
    assert [it.lost_ms for it in absorbed] == [9.0]
    for number in range(50):
        absorbed = with_fault(absorbed, Fault(fault="worker_lost", process=f"w{number}"))
    assert len(absorbed) == MOST_FAULTS


def test_a_record_of_a_newer_version_keeps_faults_that_this_one_does_not_know() -> None:
    record = TurnRecord.model_validate(
        {
            "turn_id": "t1", "kind": "speech", "received_at": "2026-01-01T00:00:00Z", "outcome": "replied",
            "absorbed": [{"fault": "moon_lost", "process": "m", "lost_ms": 1.5, "phase": "new"}],
        }
    )  # fmt: skip
    assert record.model_dump()["absorbed"] == [{"fault": "moon_lost", "process": "m", "lost_ms": 1.5, "phase": "new"}]


def test_a_record_of_an_older_version_has_no_facts() -> None:
    record = TurnRecord.model_validate(
        {"turn_id": "t1", "kind": "speech", "received_at": "2026-01-01T00:00:00Z", "outcome": "replied"}
    )
    assert (record.worker, record.attempts, record.absorbed) == ("", 1, [])
