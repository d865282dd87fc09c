"""How many calls may begin within a time, from one number and to one number, in every turn store."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.errors import CallerLimited, CallRefused, DestinationLimited
from orchestrator.rate_limits.rate import Rate
from orchestrator.redis import keys
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn, claimed, commit
from orchestrator.turns.call_rates import CallRates
from orchestrator.turns.memory_call_rates import MemoryCallRates
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import TurnStore

ADA, BOB = "+15550000001", "+15550000002"
RATES = CallRates(Rate(3, 3600), Rate(2, 3600), b"secret")
KINDS = ["memory", "redis", "shards elsewhere", "states elsewhere"]


def store_of(request: pytest.FixtureRequest, rates: CallRates, **limits: Any) -> TurnStore:
    if request.param == "memory":
        return InMemoryTurnStore(InMemoryStateManager(), rates=rates, **limits)
    client: Redis = request.getfixturevalue("redis_client")
    options = {"ttl_seconds": 100, "lease_seconds": 60, "rates": rates, **limits}
    if request.param == "shards elsewhere":
        return RedisTurnStore(client, shards=keys.SHARDS, **options)
    states = RedisStateManager(client, 100) if request.param == "states elsewhere" else None
    return RedisTurnStore(client, states=states, **options)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> TurnStore:
    return store_of(request, RATES)


@pytest.fixture(params=KINDS)
def quick_store(request: pytest.FixtureRequest) -> TurnStore:
    return store_of(request, CallRates(Rate(1, 1), Rate(1, 1), b"secret"))


@pytest.fixture(params=["memory", "redis"])
def narrow_store(request: pytest.FixtureRequest) -> TurnStore:
    return store_of(request, RATES, max_active_calls=1)


async def begins(store: TurnStore, call_sid: str, number: str = ADA, **fields: Any) -> bool:
    """Return whether the call began; False if its number calls too often."""
    opening = {"channel": "gather", "direction": "inbound", "from_number": number, **fields}
    try:
        await store.submit(a_turn("t1", call_sid), opening=opening)
    except CallerLimited:
        return False
    return True


async def test_so_many_calls_may_come_from_one_number(store: TurnStore) -> None:
    assert [await begins(store, f"CA{n}") for n in range(5)] == [True, True, True, False, False]
    assert await begins(store, "CB", BOB)
    assert await begins(store, "CC", channel="relay") is False


async def test_a_webhook_that_is_repeated_gets_the_same_answer_and_counts_once(store: TurnStore) -> None:
    for _ in range(4):
        assert await begins(store, "CA0")
    assert await begins(store, "CA1")
    assert await begins(store, "CA2")
    for _ in range(2):
        assert [await begins(store, f"CA{n}") for n in range(4)] == [True, True, True, False]


async def test_a_call_that_is_over_counts_all_the_same(store: TurnStore) -> None:
    for number in range(3):
        assert await begins(store, f"CA{number}")
        await commit(store, await claimed(store, f"CA{number}"), "bye", hang_up=True)
    assert not await begins(store, "CA3")


async def test_of_calls_that_come_at_once_as_many_begin_as_may(store: TurnStore) -> None:
    came = await asyncio.gather(*(begins(store, f"CA{n}") for n in range(20)))
    assert came.count(True) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"from_number": ""},
        {"from_number": "anonymous"},
        {"from_number": "+266696687"},
        {"from_number": "client:ada"},
        {"channel": "api"},
        {"direction": "outbound-api"},
    ],
)
async def test_who_is_nobody_in_particular_is_not_limited(store: TurnStore, fields: dict[str, Any]) -> None:
    assert all([await begins(store, f"CA{n}", **fields) for n in range(5)])


async def test_a_call_that_is_refused_for_another_reason_does_not_count(narrow_store: TurnStore) -> None:
    for number in range(3):
        assert await begins(narrow_store, f"CA{number}")
        for other in range(3):
            with pytest.raises(CallRefused, match="All lines are busy"):
                await begins(narrow_store, f"CB{other}")
        await commit(narrow_store, await claimed(narrow_store, f"CA{number}"), "bye", hang_up=True)
    assert not await begins(narrow_store, "CA3")


async def test_so_many_calls_may_be_placed_to_one_number(store: TurnStore) -> None:
    for order in ("one", "one", "two", "one"):
        await store.check_destination(ADA, order)
    for _ in range(2):
        with pytest.raises(DestinationLimited) as refused:
            await store.check_destination(ADA, "three")
        assert 3500 < refused.value.retry_after <= 3600
    await store.check_destination(BOB, "three")
    assert await begins(store, "CA0"), "calls from the number count apart"


async def test_after_its_time_another_may_begin(quick_store: TurnStore) -> None:
    async def until_allowed(order: str) -> int:
        for refused in range(1000):
            try:
                await quick_store.check_destination(ADA, order)
            except DestinationLimited as error:
                await asyncio.sleep(error.retry_after)
            else:
                return refused
        raise AssertionError("another may never begin")

    assert await until_allowed("one") == 0
    assert await until_allowed("two") <= 2


async def test_what_is_kept_names_no_number_and_no_call_and_goes_by_itself(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60, rates=RATES)
    for number in range(5):
        await begins(store, f"CA{number}")
    await store.check_destination(BOB, "an order")
    kept = [key async for key in redis_client.scan_iter("*voiceagent:rate:*")]
    assert len(kept) == 2
    for key in kept:
        assert 0 < await redis_client.pttl(key) <= 3_600_000
        text = repr((key, await redis_client.zrange(key, 0, -1)))
        assert not any(secret in text for secret in (ADA, BOB, ADA[1:], "CA", "order"))


@pytest.mark.parametrize("store", KINDS[1:], indirect=True)
async def test_a_call_goes_on_whose_first_webhook_is_repeated_after_all_that_was_counted(
    store: TurnStore, redis_client: Redis
) -> None:
    assert await begins(store, "CA0")
    await redis_client.delete(*[key async for key in redis_client.scan_iter("*voiceagent:rate:*")])
    assert [await begins(store, f"CA{n}") for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert await begins(store, "CA0")


async def test_a_refusal_is_repeated_though_there_is_room_by_now(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60, rates=RATES)
    assert [await begins(store, f"CA{n}") for n in range(4)] == [True, True, True, False]
    (key,) = [key async for key in redis_client.scan_iter("*voiceagent:rate:*")]
    await redis_client.zremrangebyscore(key, 0, "+inf")  # as when their time is over
    assert [await begins(store, f"CA{n}") for n in (3, 4, 3)] == [False, True, False]


async def test_refusals_that_are_remembered_are_bounded(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=60, rates=RATES)
    for number in range(130):
        await begins(store, f"CA{number}")
    (key,) = [key async for key in redis_client.scan_iter("*voiceagent:rate:*")]
    assert await redis_client.zcard(key) == 103
    assert [await begins(store, f"CA{n}") for n in (0, 1, 2, 129)] == [True, True, True, False]


def test_what_one_process_remembers_is_bounded_and_goes_by_itself() -> None:
    seconds = [0.0]
    rates = MemoryCallRates(RATES, lambda: seconds[0])
    opening = {"channel": "gather", "from_number": ADA}
    for call in range(3):
        rates.check_caller(f"CA{call}", opening)
    for _ in range(2):
        seconds[0] += 1000
        with pytest.raises(CallerLimited):
            rates.check_caller("CA3", opening)
    seconds[0] += 1600
    rates.check_caller("CA4", opening)
    with pytest.raises(CallerLimited):
        rates.check_caller("CA3", opening)
