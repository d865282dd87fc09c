"""Each way in which a call ends, step by step in Redis: it has one `call.ended`, which says how it ended."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.clock import utc_now
from orchestrator.errors import CallEnded, UnknownCall
from orchestrator.event_types import EVENT_TYPES
from orchestrator.events.call_events import CallEvents
from orchestrator.events.event import Event
from orchestrator.events.outbox import Settlement
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn, claimed, commit
from orchestrator.turns.abandoned_calls import end_abandoned_calls
from orchestrator.turns.redis.store import RedisTurnStore

TTL = 3600
ALL = frozenset(EVENT_TYPES) - {"turn.completed"}
PHONE = {"channel": "gather", "from_number": "+15551234567"}
PLACED = {"channel": "gather", "direction": "outbound-api", "to_number": "+15557654321"}
STATUSES = ("completed", "busy", "no-answer", "failed", "canceled", "abandoned")


class Deployment:
    """A store as an ingress and a worker of one version have it, and what their sink has got."""

    def __init__(
        self, redis: Redis, shards: tuple[keys.ShardKeys, ...] | None = None, *, version: str | None = "v1"
    ) -> None:
        self.redis = redis
        self.shards = shards
        self.states = RedisStateManager(redis, TTL)
        self.events = CallEvents(ALL, ("file",), agent="echo", worker_version=version) if version else None
        self.store = RedisTurnStore(redis, ttl_seconds=TTL, shards=shards, events=self.events, sinks=("file",))
        self.outbox = self.store.outbox

    def before_events(self) -> "Deployment":
        """The same as processes have it that know no events."""
        return Deployment(self.redis, self.shards, version=None)

    async def begin(self, call_sid: str = "CA1", **opening: Any) -> None:
        """A call comes in, and its first turn is answered."""
        await self.ring(call_sid, **opening)
        await commit(self.store, await claimed(self.store, call_sid), "Hello.")

    async def ring(self, call_sid: str = "CA1", **opening: Any) -> None:
        """A call comes in."""
        await self.store.submit(a_turn("start", call_sid, "started"), opening=opening or PHONE)

    async def say(self, turn_id: str, call_sid: str = "CA1", **answer: Any) -> None:
        """The caller says something, and it is answered."""
        await self.store.submit(a_turn(turn_id, call_sid))
        await commit(self.store, await claimed(self.store, call_sid), **answer)

    async def report_end(self, status: str = "completed", call_sid: str = "CA1") -> None:
        """The provider says that the call is over; what that leaves in the inbox is run."""
        await self.store.submit(a_turn("ended", call_sid, "ended", status))
        claim = await self.store.claim(call_sid, "anna")
        while claim is not None:
            outcome = "replied" if claim.turn.kind == "ended" else "dropped"
            claim = (await commit(self.store, claim, "", outcome=outcome)).next

    async def look(self, call_sid: str = "CA1") -> None:
        """A worker looks at the call, as it does when the agenda says so."""
        assert self.events is not None
        for _ in range(3):
            if (unended := await self.outbox.unended(call_sid)) is not None:
                await self.outbox.end(unended, self.events.ended(unended))

    async def pass_closing_time(self, call_sid: str = "CA1") -> None:
        """Let the 30 s pass for which the provider's word is waited for after a hang-up."""
        assert await self.redis.hexists(keys.outbox(call_sid), "end_at")
        await self.redis.hset(keys.outbox(call_sid), "end_at", 1)

    async def expire(self, call_sid: str = "CA1") -> None:
        """Let the time of the call's state run out."""
        assert await self.redis.delete(keys.state(call_sid)) == 1

    async def deliver(self, call_sid: str = "CA1") -> list[Event]:
        """What the sink gets now."""
        delivery = await self.outbox.claim(call_sid, "dora")
        if delivery is None:
            return []
        (queue,) = delivery.queues
        for entry in queue.entries:
            assert await self.outbox.settle(delivery.lease, "file", entry.position, Settlement("delivered"))
        await self.outbox.release(delivery.lease)
        return [entry.event for entry in queue.entries]

    async def told(self, call_sid: str = "CA1") -> list[Event]:
        """All that the sink gets of a call that is over. Nothing may be left open, whoever looks however often."""
        for _ in range(2):
            await self.look(call_sid)
        events = await self.deliver(call_sid)
        assert await self.deliver(call_sid) == []
        assert call_sid not in (await self.outbox.calls())[0]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.type for event in events].count("call.ended") == 1, events
        assert events[-1].type == "call.ended"
        return events


@pytest.fixture(params=["one server", "shards elsewhere", pytest.param("cluster", marks=pytest.mark.processes)])
async def deployment(request: pytest.FixtureRequest, redis_client: Redis) -> AsyncIterator[Deployment]:
    if request.param == "cluster":
        cluster = request.getfixturevalue("replicated_cluster")
        async with connect(Settings(_env_file=None, redis_url=cluster.url)) as client:
            yield Deployment(client)
    else:
        yield Deployment(redis_client, keys.SHARDS if request.param == "shards elsewhere" else None)


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def record_of(events: list[Event]) -> dict[str, Any]:
    return events[-1].data


@pytest.mark.parametrize("status", STATUSES)
async def test_the_provider_ends_a_call(deployment: Deployment, status: str) -> None:
    await deployment.begin()
    await deployment.say("t1", text="certainly")
    await deployment.report_end(status)
    events = await deployment.told()
    assert types(events) == ["call.started", "call.ended"]
    record = record_of(events)
    assert (record["status"], record["from_number"]) == (status, "+15551234567")
    assert [turn["reply"]["text"] for turn in record["turns"]] == ["Hello.", "certainly", ""]
    assert "partial" not in record


async def test_the_agent_ends_a_call_and_the_provider_confirms(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.say("t1", hang_up=True)
    await deployment.look()
    assert types(await deployment.deliver()) == ["call.started"], "the provider has not confirmed yet"
    with pytest.raises(CallEnded):
        await deployment.report_end()
    await deployment.look()
    (event,) = await deployment.deliver()
    assert (event.type, event.seq, event.data["reason"]) == ("call.ended", 2, "agent hung up")
    with pytest.raises(CallEnded):
        await deployment.report_end()
    await deployment.look()
    assert await deployment.deliver() == []


async def test_the_agent_ends_a_call_and_the_provider_says_nothing(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.say("t1", hang_up=True)
    await deployment.pass_closing_time()
    record = record_of(await deployment.told())
    assert (record["status"], len(record["turns"])) == ("completed", 2)
    with pytest.raises(CallEnded):
        await deployment.report_end()
    await deployment.look()
    assert await deployment.deliver() == [], "the provider came too late to tell it again"


async def test_the_agent_ends_a_text_conversation(deployment: Deployment) -> None:
    await deployment.begin(channel="api")
    await deployment.say("t1", hang_up=True)
    assert record_of(await deployment.told())["channel"] == "api"


async def test_the_caller_hangs_up_before_a_worker_took_the_first_turn(deployment: Deployment) -> None:
    await deployment.ring()
    await deployment.report_end()
    record = record_of(await deployment.told())
    assert [(turn["turn_id"], turn["outcome"]) for turn in record["turns"]] == [
        ("start", "dropped"),
        ("ended", "replied"),
    ]


async def test_the_worker_of_the_end_dies_before_it_commits(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.store.submit(a_turn("ended", kind="ended", text="completed"))
    lost = await claimed(deployment.store, holder="bert")
    assert await deployment.redis.hset(keys.call("CA1").lease, "until", 1) == 0
    claim = await claimed(deployment.store, holder="anna")
    await commit(deployment.store, claim, "")
    assert (await commit(deployment.store, lost, "")).status == "recorded"  # and it was frozen, not dead
    assert len(record_of(await deployment.told())["turns"]) == 2


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed", "canceled"])
async def test_nobody_answers_a_placed_call(deployment: Deployment, status: str) -> None:
    assert deployment.events is not None
    state = await deployment.states.create_state("CA1", **PLACED)
    accepted = deployment.events.accepted(state)
    assert accepted is not None
    for _ in range(2):  # the answer to the first was lost
        await deployment.outbox.accept(accepted)
    await deployment.report_end(status)
    events = await deployment.told()
    assert types(events) == ["call.started", "call.ended"]
    assert (record_of(events)["status"], record_of(events)["direction"]) == (status, "outbound-api")


async def test_the_end_of_a_placed_call_comes_before_its_state(deployment: Deployment) -> None:
    await deployment.store.submit(a_turn("ended", kind="ended", text="busy"), opening=PLACED)
    await commit(deployment.store, await claimed(deployment.store), "")
    events = await deployment.told()
    assert types(events) == ["call.started", "call.ended"]
    assert record_of(events)["status"] == "busy"


async def test_the_state_of_a_placed_call_expires_while_it_rings(deployment: Deployment) -> None:
    assert deployment.events is not None
    accepted = deployment.events.accepted(await deployment.states.create_state("CA1", **PLACED))
    assert accepted is not None
    await deployment.outbox.accept(accepted)
    await deployment.look()
    await deployment.expire()
    record = record_of(await deployment.told())
    assert (record["status"], record["partial"], record["to_number"]) == ("expired", True, "+15557654321")


async def test_the_state_expires(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.look()
    await deployment.expire()
    record = record_of(await deployment.told())
    assert (record["status"], record["partial"], record["turns"]) == ("expired", True, [])
    with pytest.raises(UnknownCall):
        await deployment.report_end()
    await deployment.look()
    assert await deployment.deliver() == []


async def test_the_state_expires_after_a_hang_up_that_nobody_looked_at(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.say("t1", hang_up=True)
    await deployment.expire()
    assert record_of(await deployment.told())["partial"]


async def test_the_call_is_deleted_after_its_end(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.report_end("completed")
    await deployment.store.erase("CA1")
    await deployment.states.delete_state("CA1")
    assert "partial" not in record_of(await deployment.told())


async def test_the_call_is_deleted_while_no_worker_takes_its_end(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.store.submit(a_turn("ended", kind="ended", text="completed"))
    await deployment.store.erase("CA1")
    await deployment.states.delete_state("CA1")
    assert record_of(await deployment.told())["partial"]


async def test_a_worker_commits_into_a_call_that_was_deleted_meanwhile(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.store.submit(a_turn("t1"))
    claim = await claimed(deployment.store)
    await deployment.states.delete_state("CA1")
    await commit(deployment.store, claim, hang_up=True)
    record = record_of(await deployment.told())
    assert (record["partial"], record["status"]) == (True, "expired")


async def test_a_sid_that_is_used_again_has_another_life(deployment: Deployment) -> None:
    await deployment.begin(channel="api")
    await deployment.say("t1", hang_up=True)
    first = await deployment.told()
    await deployment.expire()
    await deployment.begin(channel="api")
    await deployment.say("t1", hang_up=True)
    second = await deployment.told()
    assert types(second) == types(first) == ["call.started", "call.ended"]
    assert record_of(first)["started_at"] < record_of(second)["started_at"]
    assert not {event.id for event in first} & {event.id for event in second}


async def test_a_life_that_nobody_ended_has_its_end_when_the_next_begins(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.expire()
    await deployment.begin()
    await deployment.report_end("busy")
    for _ in range(2):
        await deployment.look()
    events = await deployment.deliver()
    lives = {event.data["started_at"]: event.data for event in events if event.type == "call.ended"}
    assert types(events).count("call.ended") == types(events).count("call.started") == 2
    assert [(record["status"], record.get("partial")) for _, record in sorted(lives.items())] == [
        ("expired", True),
        ("busy", None),
    ]
    assert (await deployment.outbox.calls())[0] == []


async def test_a_full_call_is_told_whole(deployment: Deployment) -> None:
    turn = a_turn("t0")
    await deployment.begin()
    state = await deployment.states.get_state("CA1")
    assert state is not None
    records = [state.turns[0].model_copy(update={"turn_id": f"t{number}", "text": "x" * 500}) for number in range(999)]
    await deployment.states.update_state(state.model_copy(update={"turns": records}))
    await deployment.store.submit(turn.model_copy(update={"turn_id": "last"}))
    await commit(deployment.store, await claimed(deployment.store), hang_up=True)
    await deployment.pass_closing_time()
    assert len(record_of(await deployment.told())["turns"]) == 1000


async def test_an_old_ingress_began_the_call_and_an_old_worker_ended_it(deployment: Deployment) -> None:
    """In between a new worker had a turn; what old processes write tells nothing."""
    old = deployment.before_events()
    await old.ring()
    await commit(deployment.store, await claimed(deployment.store), "Hello.")
    await deployment.look()
    await old.report_end("completed")
    events = await deployment.told()
    assert types(events) == ["call.ended"], "no new process saw it begin"
    assert len(record_of(events)["turns"]) == 2


async def test_an_old_worker_commits_the_hang_up(deployment: Deployment) -> None:
    await deployment.begin()
    old = deployment.before_events()
    await old.say("t1", hang_up=True)
    assert record_of(await deployment.told())["reason"] == "agent hung up"


async def test_only_the_last_turns_are_old(deployment: Deployment) -> None:
    """All but the end was committed by old processes: the new worker's commit brings the head as well."""
    old = deployment.before_events()
    await old.begin()
    await old.say("t1")
    await deployment.report_end("completed")
    assert len(record_of(await deployment.told())["turns"]) == 3


async def test_nobody_says_anything_until_the_call_is_abandoned(deployment: Deployment) -> None:
    await deployment.begin()
    state = await deployment.states.get_state("CA1")
    assert state is not None
    long_ago = utc_now() - timedelta(seconds=TTL)
    turns = [state.turns[0].model_copy(update={"committed_at": long_ago, "received_at": long_ago})]
    await deployment.states.update_state(state.model_copy(update={"turns": turns}))
    ended = await end_abandoned_calls(deployment.store, deployment.states, [("CA1", 1.0)], life=TTL)
    assert ended == 1
    await commit(deployment.store, await claimed(deployment.store), "")
    record = record_of(await deployment.told())
    assert (record["status"], len(record["turns"])) == ("abandoned", 2)


async def test_many_find_the_end_at_once(deployment: Deployment) -> None:
    await deployment.begin()
    await deployment.expire()
    await asyncio.gather(*(deployment.look() for _ in range(5)))
    assert record_of(await deployment.told())["partial"]


async def test_a_state_that_nobody_can_read_is_no_end_until_it_expires(deployment: Deployment) -> None:
    """It may be that of a newer version."""
    await deployment.begin()
    await deployment.redis.set(keys.state("CA1"), '{"version":3,"turns":"of another kind"}', ex=TTL)
    await deployment.look()
    assert types(await deployment.deliver()) == ["call.started"]
    await deployment.expire()
    await deployment.look()
    (event,) = await deployment.deliver()
    assert (event.type, event.data["partial"]) == ("call.ended", True)
