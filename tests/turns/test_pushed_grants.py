"""Grants that a submit pushes to a worker: to which one, when to none, and what becomes of those it never began."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from support.passing_time import moving_clock
from support.waiting import wait_until

from orchestrator.conversation.reply import Position
from orchestrator.redis import keys
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.redis.scripts import server_time
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_turns import OPENING, a_turn, as_given, claimed, commit
from orchestrator.turns.messages import Piece
from orchestrator.turns.redis.lease_scripts import Grant, RoomReport
from orchestrator.turns.redis.pushed_grant import is_pushed_grant, read_pushed_grant
from orchestrator.turns.redis.scripts import FRESH_MS, MOST_PUSHED_BYTES
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Claim

TTL = 100
ROOM = keys.worker_room()


class ListeningWorker:
    """What a worker is to a submit: it says how much room it has, and subscribes to its channel."""

    def __init__(self, store: RedisTurnStore, pubsub: PubSub, holder: str) -> None:
        self.holder = holder
        self.received = 0
        self._store = store
        self._pubsub = pubsub

    async def says(self, free: int) -> int | None:
        """Claim what is queued, at most `free` jobs, and say how many slots are left. Return how many were pushed."""
        claimed = await self._store.job_claims.claim(
            keys.SINGLE_SHARD, holder=self.holder, most=free, look_at=100, in_progress_ms=1000, received=self.received
        )
        return claimed.pushed.count if claimed.pushed else None

    async def reports(self, free: int) -> RoomReport:
        """Say how many slots are free, and claim nothing."""
        return await self._store.job_claims.report(
            keys.SINGLE_SHARD, holder=self.holder, free=free, received=self.received
        )

    async def grant(self) -> Grant:
        """Return the next grant that is pushed to it."""
        grant = await wait_until(self._next, f"a grant is pushed to {self.holder}")
        self.received += 1
        return grant

    async def _next(self) -> Grant | None:
        message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=0.1)
        if message is None or not is_pushed_grant(message["data"]):
            return None
        return read_pushed_grant(message["data"], self.holder)

    async def claim(self) -> Claim:
        """Return the claim that the next pushed grant is opened to."""
        claim = await self._store.claims.open(await self.grant())
        assert claim is not None
        return claim

    async def hang_up(self) -> None:
        """Leave the channel without a word, as a killed process does."""
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]


NewWorker = Callable[..., Awaitable[ListeningWorker]]


@pytest.fixture
def store(redis_client: Redis) -> RedisTurnStore:
    return RedisTurnStore(redis_client, ttl_seconds=TTL, listener="here", lease_seconds=60, push=True)


@pytest.fixture
async def new_worker(store: RedisTurnStore) -> AsyncIterator[NewWorker]:
    """`await new_worker("anna", free=3)` has subscribed and said so."""
    async with AsyncExitStack() as stack:

        async def new(holder: str, free: int = 3) -> ListeningWorker:
            pubsub = store.redis.pubsub()
            stack.push_async_callback(pubsub.aclose)
            await pubsub.subscribe(keys.control_channel(holder))
            await wait_until(lambda: pubsub.get_message(timeout=0.1), f"{holder} has subscribed")
            worker = ListeningWorker(store, pubsub, holder)
            await worker.says(free)
            return worker

        yield new


async def queued(store: RedisTurnStore) -> list[bytes]:
    jobs: list[bytes] = await store.redis.zrange(keys.QUEUE, 0, -1)
    return jobs


async def room(store: RedisTurnStore) -> dict[str, int]:
    return {name.decode(): round(free) for name, free in await store.redis.zrange(ROOM, 0, -1, withscores=True)}


async def lease(store: RedisTurnStore, call_sid: str = "CA1") -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = await store.redis.hgetall(keys.call(call_sid).lease)  # type: ignore[misc]
    return fields


async def test_the_turn_of_an_idle_system_is_granted_by_its_submit(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    anna = await new_worker("anna")
    turn = a_turn("t 1/ü\n", text='say "hello"\n')
    assert await store.submit(turn, opening=OPENING, stream=True) is None
    assert await queued(store) == []
    assert await store.redis.exists(keys.wake_list()) == 0
    claim = await anna.claim()
    assert (as_given(claim.turn), claim.attempt, claim.ending, claim.streamed) == (turn, 1, False, True)
    assert (claim.lease.call_sid, claim.lease.holder, claim.lease.epoch) == ("CA1", "anna", 1)
    assert claim.state is not None
    assert claim.state.version == 1
    assert claim.stored_bytes == len(await store.redis.get(keys.state("CA1")) or b"")
    assert (await commit(store, claim)).status == "committed"


async def test_a_pushed_claim_is_what_a_claim_from_the_queue_would_be(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    anna = await new_worker("anna")
    for turn_id, kind in (("t1", "started"), ("t2", "speech"), ("t3", "ended")):
        await store.submit(a_turn(turn_id, kind=kind), opening=OPENING)  # type: ignore[arg-type]
        pushed = await anna.claim()
        assert (pushed.is_short, pushed.confirmed) == (True, True)
        await store.release(pushed)
        as_claimed = await claimed(store, holder="anna")
        pushed.lease, pushed.is_short = as_claimed.lease, False
        assert pushed == as_claimed
        await store.redis.delete(keys.QUEUE)
        assert (await commit(store, as_claimed)).status == "committed"


async def test_the_worker_with_most_room_is_chosen_and_equals_take_turns(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    workers = [await new_worker("anna", 2), await new_worker("bert", 3), await new_worker("carl", 3)]
    for number in range(8):
        await store.submit(a_turn("t1", call_sid=f"CA{number}"), opening=OPENING)
    assert await room(store) == {"anna": 0, "bert": 0, "carl": 0}
    assert await queued(store) == []
    assert [len([await worker.grant() for _ in range(most)]) for worker, most in zip(workers, (2, 3, 3), strict=True)]
    for worker in workers:
        assert await worker.says(5) == worker.received
    answered = {"anna": 0, "bert": 0, "carl": 0}
    for number in range(9):  # one at a time: each answers before the next comes
        await store.submit(a_turn("t1", call_sid=f"CB{number}"), opening=OPENING)
        holder = (await lease(store, f"CB{number}"))[b"holder"].decode()
        answered[holder] += 1
        await commit(store, await workers[["anna", "bert", "carl"].index(holder)].claim())
    assert answered == {"anna": 3, "bert": 3, "carl": 3}


async def test_workers_without_room_get_their_turns_from_the_queue(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    anna = await new_worker("anna", 1)
    for call_sid in ("CA1", "CA2"):
        await store.submit(a_turn("t1", call_sid=call_sid), opening=OPENING)
    assert await queued(store) == [b"turns:CA2"]
    await commit(store, await anna.claim())
    assert await room(store) == {"anna": 1}
    await store.submit(a_turn("t1", call_sid="CA3"), opening=OPENING)
    assert await queued(store) == [b"turns:CA2", b"turns:CA3"], "who came first waits longer"
    await anna.says(5)
    assert await queued(store) == []
    assert await room(store) == {"anna": 3}


async def test_a_worker_that_nobody_listens_for_is_taken_off_and_the_next_one_tried(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    dead, anna = await new_worker("dead", 9), await new_worker("anna", 3)
    await dead.hang_up()
    async with store.redis.pubsub() as curious:  # who listens to every channel is no worker
        await curious.psubscribe("voiceagent:*")
        await wait_until(lambda: curious.get_message(timeout=0.1), "it has subscribed")
        await store.submit(a_turn("t1"), opening=OPENING)
    assert (await anna.claim()).lease.holder == "anna"
    assert await room(store) == {"anna": 2}
    await anna.hang_up()
    await store.submit(a_turn("t1", call_sid="CA2"), opening=OPENING)
    assert await queued(store) == [b"turns:CA2"]
    assert await room(store) == {}


async def test_a_worker_that_has_said_nothing_for_a_while_gets_nothing(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    await new_worker("frozen", 9)
    presence = keys.worker_presence("frozen")
    await store.redis.pexpire(presence, keys.PRESENCE_MS - FRESH_MS - 1)
    await store.submit(a_turn("t1"), opening=OPENING)
    assert await queued(store) == [b"turns:CA1"]
    assert await room(store) == {}


async def test_a_submit_that_is_repeated_grants_nothing_again(store: RedisTurnStore, new_worker: NewWorker) -> None:
    anna, bert = await new_worker("anna", 3), await new_worker("bert", 2)
    for _ in range(3):
        await store.submit(a_turn("t1"), opening=OPENING)
    assert (await anna.claim()).lease.epoch == 1
    assert (await lease(store))[b"epoch"] == b"1"
    assert await room(store) == {"anna": 2, "bert": 2}
    assert await queued(store) == []
    await store.redis.hset(keys.call("CA1").lease, "until", "1")  # type: ignore[misc]  # it was never begun
    await store.submit(a_turn("t1"), opening=OPENING)
    assert await queued(store) == [b"turns:CA1"], "once a turn was pushed it is claimed"
    assert await bert.says(2) == 0


async def test_what_is_not_the_first_turn_of_a_free_call_is_not_pushed(
    store: RedisTurnStore, new_worker: NewWorker, redis_client: Redis
) -> None:
    without = RedisTurnStore(redis_client, ttl_seconds=TTL, listener="here")
    for call_sid in ("CAwaits", "CAheld", "CAlost"):
        await without.submit(a_turn("t1", call_sid=call_sid), opening=OPENING)
    held = await claimed(store, "CAheld")
    await claimed(store, "CAlost")
    await redis_client.hset(keys.call("CAlost").lease, "until", "1")  # type: ignore[misc]
    await without.submit(a_turn("t1", call_sid="CAleft"), opening=OPENING)
    await claimed(without, "CAleft")
    await redis_client.hset(keys.call("CAleft").lease, "until", "1")  # type: ignore[misc]
    await redis_client.delete(keys.QUEUE, keys.call("CAleft").inbox)
    anna = await new_worker("anna")
    for call_sid in ("CAwaits", "CAheld", "CAlost", "CAleft"):
        await redis_client.delete(keys.QUEUE)
        await store.submit(a_turn("t2", call_sid=call_sid))
    assert await anna.says(0) == 0
    following = (await commit(store, held)).next
    assert following is not None
    assert following.turn.turn_id == "t2"


async def test_nothing_is_pushed_while_a_job_waits(store: RedisTurnStore, new_worker: NewWorker) -> None:
    await new_worker("anna")
    now = await store.connection.run(server_time(key=keys.QUEUE))
    await store.redis.zadd(keys.QUEUE, {"job of somebody": (now + 60) * 1000})
    await store.redis.expire(keys.QUEUE, 60)
    await store.submit(a_turn("t1"), opening=OPENING)
    assert await queued(store) == [b"job of somebody"], "what is due later does not wait"
    await store.redis.zadd(keys.QUEUE, {"job of somebody": (now - 1) * 1000})
    await store.submit(a_turn("t1", call_sid="CA2"), opening=OPENING)
    assert await queued(store) == [b"job of somebody", b"turns:CA2"]


@pytest.mark.parametrize("size", [MOST_PUSHED_BYTES, MOST_PUSHED_BYTES + 1])
async def test_a_large_state_is_read_by_a_claim(store: RedisTurnStore, new_worker: NewWorker, size: int) -> None:
    await new_worker("anna")
    await store.submit(a_turn("t1"), opening=OPENING)
    await store.redis.hset(keys.call("CA1").lease, "holder", "")  # type: ignore[misc]
    await store.redis.delete(keys.call("CA1").inbox, keys.call("CA1").turns)
    text = await store.redis.get(keys.state("CA1")) or b""
    await store.redis.set(keys.state("CA1"), text.ljust(size), ex=TTL)
    await store.submit(a_turn("t2"))
    assert await queued(store) == ([] if size <= MOST_PUSHED_BYTES else [b"turns:CA1"])


@asynccontextmanager
async def other_store(redis: Redis, kind: str) -> AsyncIterator[RedisTurnStore]:
    options: dict[str, dict[str, Any]] = {
        "cluster": {"shards": keys.SHARDS},
        "replicas confirm": {"wait": ReplicaWait(0)},
        "states elsewhere": {"states": InMemoryStateManager(TTL)},
        "not asked to push": {"push": False},
    }
    yield RedisTurnStore(redis, ttl_seconds=TTL, listener="here", **{"push": True, **options[kind]})


@pytest.mark.parametrize("kind", ["cluster", "replicas confirm", "states elsewhere", "not asked to push"])
async def test_these_stores_push_nothing_and_their_workers_are_pushed_nothing(
    redis_client: Redis, new_worker: NewWorker, kind: str
) -> None:
    anna = await new_worker("anna")
    async with other_store(redis_client, kind) as store:
        assert store.job_claims.room is None
        await store.submit(a_turn("t1"), opening=OPENING)
        shard = keys.shard_of(store.call_queue.shards, "CA1")
        assert await redis_client.zrange(shard.queue, 0, -1) == [b"turns:CA1"]
        claimed_jobs = await store.job_claims.claim(
            shard, holder="bert", most=1, look_at=1, in_progress_ms=1000, received=0
        )
        assert (len(claimed_jobs.jobs), claimed_jobs.pushed) == (1, None)
        assert await redis_client.zscore(ROOM, "bert") is None
    assert await anna.says(3) == 0


async def test_the_first_lease_is_short_and_a_renewal_makes_it_whole(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    anna = await new_worker("anna")
    await store.submit(a_turn("t1"), opening=OPENING)
    claim = await anna.claim()
    short = int((await lease(store))[b"until"])
    assert await store.redis.zscore(keys.DUE, "CA1") == short
    assert await store.renew([claim.lease]) == []
    longer = int((await lease(store))[b"until"]) - short
    assert 25_000 < longer < 35_000 + 60_000, "half of 60 s more, and what the test took"


async def test_a_grant_that_was_never_begun_is_granted_to_another_as_soon_as_its_short_lease_ends(
    redis_client: Redis, new_worker: NewWorker
) -> None:
    hasty = RedisTurnStore(redis_client, ttl_seconds=TTL, listener="here", lease_seconds=0.2, push=True)
    anna = await new_worker("anna")
    await hasty.submit(a_turn("t1"), opening=OPENING)
    late = await anna.grant()
    await wait_until(hasty.call_queue.rescue, "its lease ends")
    bert = await claimed(hasty, holder="bert")
    assert bert.attempt == 2, "nobody can tell a turn that killed its worker from one that was never begun"
    thawed = await hasty.claims.open(late)
    assert thawed is not None
    assert thawed.confirmed is False
    assert await hasty.confirm(thawed) is False
    assert await hasty.publish(thawed.lease, "t1", Piece(Position(0, 0), "Hello.")) is False
    assert (await commit(hasty, thawed)).status == "lost"
    await hasty.release(thawed)
    await redis_client.hset(keys.call("CA1").lease, "until", "1")  # type: ignore[misc]
    assert (await claimed(hasty, holder="carl")).attempt == 2, "the thawed worker says that it did not begin"


async def test_what_a_worker_gives_back_is_no_attempt_and_is_claimed_from_the_queue(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    anna = await new_worker("anna", 1)
    await store.submit(a_turn("t1"), opening=OPENING)
    grant = await anna.grant()
    await store.claims.give_back(grant.lease, "t1")
    assert await queued(store) == [b"turns:CA1"]
    assert await store.redis.llen(keys.wake_list()) == 1  # type: ignore[misc]
    assert await room(store) == {"anna": 1}
    assert (await claimed(store, holder="bert")).attempt == 1


async def test_what_is_on_its_way_takes_room_until_the_worker_has_received_it(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    anna = await new_worker("anna", 5)
    for call_sid in ("CA1", "CA2"):
        await store.submit(a_turn("t1", call_sid=call_sid), opening=OPENING)
    assert await anna.says(5) == 2
    assert await room(store) == {"anna": 3}
    await anna.grant()
    await anna.says(4)
    assert await room(store) == {"anna": 3}
    anna.received = 7  # Redis was failed over, and has lost its count
    assert await anna.says(4) == 7
    assert await room(store) == {"anna": 4}


async def test_a_worker_that_leaves_is_pushed_nothing_more(store: RedisTurnStore, new_worker: NewWorker) -> None:
    await new_worker("anna")
    await store.job_claims.leave("anna")
    await store.submit(a_turn("t1"), opening=OPENING)
    assert await queued(store) == [b"turns:CA1"]
    await commit(store, await claimed(store))
    assert await room(store) == {}


async def test_what_the_dead_leave_behind_is_removed(store: RedisTurnStore, new_worker: NewWorker) -> None:
    anna = await new_worker("anna", 9)
    for number in range(3):
        await new_worker(f"dead{number}", 1)
        await store.redis.delete(keys.worker_presence(f"dead{number}"))
    for _ in range(3):
        await anna.reports(9)
    assert await room(store) == {"anna": 9}
    for key in (ROOM, keys.worker_presence("anna")):
        assert 0 < await store.redis.pttl(key) <= 60_000


@pytest.mark.parametrize("key", [ROOM, keys.worker_presence("anna")])
async def test_a_key_of_the_wrong_type_costs_nothing_but_the_queue(
    store: RedisTurnStore, new_worker: NewWorker, key: str
) -> None:
    anna = await new_worker("anna")
    await store.redis.set(key, "x", ex=TTL)
    await store.submit(a_turn("t1"), opening=OPENING)
    assert await queued(store) == [b"turns:CA1"]
    await commit(store, await claimed(store))
    await anna.says(3)
    await anna.says(3)
    await store.submit(a_turn("t1", call_sid="CA2"), opening=OPENING)
    assert (await anna.claim()).lease.call_sid == "CA2"


async def test_a_grant_is_late_by_the_clock_that_all_share(store: RedisTurnStore, new_worker: NewWorker) -> None:
    anna = await new_worker("anna")
    await store.submit(a_turn("t1"), opening=OPENING)
    grant = await anna.grant()
    with moving_clock() as move:
        for confirmed in (True, False):
            claim = await store.claims.open(grant)
            assert claim is not None
            assert claim.confirmed is confirmed
            move(15.1)  # a quarter of the lease
    assert await store.confirm(claim)


async def test_a_grant_that_seems_to_come_from_the_future_is_confirmed(
    store: RedisTurnStore, new_worker: NewWorker
) -> None:
    anna = await new_worker("anna")
    await store.submit(a_turn("t1"), opening=OPENING)
    grant = await anna.grant()
    with moving_clock() as move:
        move(-3600)
        claim = await store.claims.open(grant)
    assert claim is not None
    assert claim.confirmed is False


async def test_a_worker_may_say_what_room_it_has_without_a_claim(store: RedisTurnStore, new_worker: NewWorker) -> None:
    anna = await new_worker("anna", 5)
    await store.submit(a_turn("t1"), opening=OPENING)
    report = await anna.reports(5)
    assert report.pushed is not None
    assert (report.is_due, report.pushed.count) == (False, 1)
    assert await room(store) == {"anna": 4}
    await anna.grant()
    await anna.reports(1)
    assert await room(store) == {"anna": 1}
    for call_sid in ("CA2", "CA3"):
        await store.submit(a_turn("t1", call_sid=call_sid), opening=OPENING)
    assert (await anna.reports(0)).is_due
    assert (await anna.reports(0)).is_due, "looking takes nothing"
    assert await queued(store) == [b"turns:CA3"], "it was looked at, not claimed"


async def test_a_room_that_is_added_again_lives_for_a_minute(store: RedisTurnStore, new_worker: NewWorker) -> None:
    anna = await new_worker("anna", 5)
    for key in (ROOM, keys.worker_presence("anna")):
        await store.redis.delete(key)
        await anna.reports(5)
        assert 0 < await store.redis.pttl(key) <= 60_000


async def test_a_submit_that_pushes_reads_nothing_twice(store: RedisTurnStore, new_worker: NewWorker) -> None:
    worker = await new_worker("anna")
    await store.submit(a_turn("t0"), opening=OPENING)
    await commit(store, await worker.claim())
    await worker.says(3)
    before = await _called(store.redis)
    await store.submit(a_turn("t1"))
    after = await _called(store.redis)
    await worker.grant()
    called = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    scripts = called.pop("evalsha")
    assert scripts == 1
    assert sum(called.values()) <= 25, called
    assert "get" not in called, "the state is read once"
    assert "lrange" not in called, "the turn is the only one"
    assert called["hget"] == 1, "the turn is known, and not read again"
    assert called["hmget"] == 3, "the lease, the plan of versions and the worker's presence"


async def _called(redis: Redis) -> dict[str, int]:
    figures = await redis.info("commandstats")
    names = {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in figures.items()}
    return {name: count for name, count in names.items() if name not in ("info", "ping", "subscribe", "publish")}


async def test_a_call_that_begins_again_counts_its_leases_on(store: RedisTurnStore, new_worker: NewWorker) -> None:
    worker = await new_worker("anna")
    await store.submit(a_turn("t0"), opening=OPENING)
    claim = await worker.claim()
    await commit(store, claim)
    await worker.says(3)
    await store.redis.delete(keys.state("CA1"))
    await store.submit(a_turn("t0"), opening=OPENING)
    again = await worker.claim()
    assert again.lease.epoch == claim.lease.epoch + 1
    assert again.attempt == 1
    assert (await lease(store))[b"epoch"] == str(again.lease.epoch).encode()
