"""How many calls there may be when another begins: a caller's, one over the API, one that we placed."""

from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.errors import CallRefused
from orchestrator.redis import keys
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.call_limits import CallLimits, api_share
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import TurnStore

LIMITS: dict[str, Any] = {"max_active_calls": 4, "api_max_active_calls": 2}
TEXT = {"channel": "api", "direction": "inbound"}
RINGS = {"channel": "gather", "direction": "inbound"}
PLACED = {"channel": "gather", "direction": "outbound-api"}


@pytest.fixture(params=["memory", "redis", "shards elsewhere", "states elsewhere"])
def store(request: pytest.FixtureRequest) -> TurnStore:
    if request.param == "memory":
        return InMemoryTurnStore(InMemoryStateManager(), **LIMITS)
    client: Redis = request.getfixturevalue("redis_client")
    if request.param == "shards elsewhere":
        return RedisTurnStore(client, ttl_seconds=100, lease_seconds=60, shards=keys.SHARDS, **LIMITS)
    states = RedisStateManager(client, 100) if request.param == "states elsewhere" else None
    return RedisTurnStore(client, ttl_seconds=100, lease_seconds=60, states=states, **LIMITS)


async def test_callers_get_lines_that_the_api_does_not(store: TurnStore) -> None:
    for number in range(2):
        await store.submit(a_turn("t1", f"text-{number}"), opening=TEXT)
    with pytest.raises(CallRefused):
        await store.submit(a_turn("t1", "text-2"), opening=TEXT)
    for number in range(2):
        await store.submit(a_turn("t1", f"CA{number}"), opening=RINGS)
    for opening in (TEXT, RINGS):
        with pytest.raises(CallRefused):
            await store.submit(a_turn("t1", "CA9"), opening=opening)
    assert await store.submit(a_turn("t1", "CA-placed"), opening=PLACED) is None
    assert await store.submit(a_turn("t2", "text-0"), opening=TEXT) is None  # it goes on


@pytest.mark.parametrize(("most", "share"), [(None, None), (1, 1), (2, 1), (3, 2), (4, 3), (10, 8), (100, 75)])
def test_without_a_limit_of_its_own_the_api_leaves_a_quarter(most: int | None, share: int | None) -> None:
    assert api_share(most) == share


@pytest.mark.parametrize(("limits", "api"), [
    (CallLimits(), None), (CallLimits(4), 4), (CallLimits(4, 2), 2), (CallLimits(4, 9), 4), (CallLimits(None, 2), 2),
])  # fmt: skip
def test_the_lower_limit_holds_for_the_api(limits: CallLimits, api: int | None) -> None:
    assert limits.for_opening(TEXT) == api
    assert limits.for_opening(RINGS) == limits.all
    assert limits.for_opening(PLACED) is None
