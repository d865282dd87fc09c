"""State managers, and bare GET and SET of the same bytes over the same kind of connection."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count

from benchmarks.contenders.turns import OPENING
from benchmarks.driver import Line
from orchestrator.conversation.state import ConversationState
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import load_settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager

FILLED_SECONDS = 10_000_000_000
FILL_AT_ONCE = 1000


class Operations:
    """The operations of one manager on young calls, one call a slot."""

    def __init__(self, manager: StateManagerBase) -> None:
        self._manager = manager
        self._numbers = count()
        self._states: dict[int, ConversationState] = {}

    async def create(self, slot: int) -> None:
        """Begin a call."""
        self._states[slot] = await self._manager.create_state(f"CA{next(self._numbers)}", **OPENING)

    async def get(self, slot: int) -> None:
        """Read it."""
        await self._manager.get_state(self._states[slot].call_sid)

    async def update(self, slot: int) -> None:
        """Write it."""
        self._states[slot] = await self._manager.update_state(self._states[slot])

    async def count(self, slot: int) -> None:
        """Count all calls."""
        await self._manager.get_active_calls_count()


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`memory-…` and `redis-…` for each operation, `bare-get`, `bare-set`, and `fill`: 1,000 active calls more."""
    async with connect(load_settings()) as client, connect(load_settings()) as bare:
        document = ConversationState(call_sid="CA" + "0" * 32, version=1, **OPENING).model_dump_json()
        await bare.set("bare:state", document, ex=3600)

        async def bare_get(slot: int) -> None:
            await bare.get("bare:state")

        async def bare_set(slot: int) -> None:
            await bare.set("bare:state", document, ex=3600)

        filled = count()

        async def fill(slot: int) -> None:
            members = {f"CAfill{next(filled)}": FILLED_SECONDS for _ in range(FILL_AT_ONCE)}
            await client.zadd(keys.ACTIVE_CALLS, members)

        named: dict[str, Line] = {"bare-get": bare_get, "bare-set": bare_set, "fill": fill}
        for kind, manager in (("memory", InMemoryStateManager()), ("redis", RedisStateManager(client))):
            operations = Operations(manager)
            for name in ("create", "get", "update", "count"):
                named[f"{kind}-{name}"] = getattr(operations, name)
        yield named
