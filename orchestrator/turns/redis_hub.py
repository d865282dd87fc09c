"""The hub beside the calls: who is active, who is due, and the queue on which workers find them.

On a single server, what a step changes at the hub happens in the step's own script. In a cluster the hub lies in other
slots than the call, and is spread over several shards: there the call comes first, and the hub after it.
What a process leaves undone between the two, the rescuer makes good: every call with waiting turns stands in `due`,
from where only the rescuer takes it off, and only after it has found the call's inbox empty.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.damage import call_sid_of, text_of
from orchestrator.turns.redis_scripts import TurnScripts

JOB_FUNCTION = "run_turns"
JOB_ID_PREFIX = "turns:"
GRACE_MS = 1000
NEVER_MS = 86_400_000


def hub_of(shards: tuple[keys.HubKeys, ...], scripts: TurnScripts, life_ms: int) -> "Hub":
    """The form of hub that goes with the keys."""
    return OneScriptHub(shards, scripts) if len(shards) == 1 else SplitHub(shards, scripts, life_ms)


class Hub(Protocol):
    """What the turn store asks of either form."""

    shards: tuple[keys.HubKeys, ...]

    def script_keys(self, call_sid: str) -> Sequence[str]:
        """Calls, due, queue, wake and job, for a step that does the hub's part; or none of them."""

    async def entered(self, call_sid: str) -> None:
        """A turn has been queued at the call, or was left behind there: let a worker find it."""

    async def ended(self, call_sid: str) -> None:
        """The call is over."""

    async def watch(self, call_sid: str) -> None:
        """A turn is said to wait: see to it that somebody looks after it."""

    async def has_room(self, limit: int) -> bool:
        """Whether a call that was refused may begin after all."""

    async def rescue(self, most: int, again_ms: int, grace_ms: int) -> list[str]:
        """Wake workers for calls whose turns wait though nobody holds them; the call SIDs."""

    @property
    def is_idle(self) -> bool:
        """Whether no call was in `due` when that was asked last: no turn waits, and none runs."""


class OneScriptHub:
    """Every script has done the hub's part already."""

    def __init__(self, shards: tuple[keys.HubKeys, ...], scripts: TurnScripts) -> None:
        self.shards = shards
        self._scripts = scripts
        self._due = DueWatch(scripts)

    def script_keys(self, call_sid: str) -> Sequence[str]:
        return _all(self.shards[0], call_sid)

    async def entered(self, call_sid: str) -> None:
        pass

    async def ended(self, call_sid: str) -> None:
        pass

    async def watch(self, call_sid: str) -> None:
        pass

    async def has_room(self, limit: int) -> bool:
        return False

    async def rescue(self, most: int, again_ms: int, grace_ms: int) -> list[str]:
        hub = self.shards[0]
        seen_ms = await self._due.seen_ms(hub)
        if seen_ms is None:
            return []
        rescued = await self._scripts.run(
            "rescue",
            [hub.due, hub.queue, hub.wake, hub.rounds],
            [most, again_ms, JOB_ID_PREFIX, hub.job(""), JOB_FUNCTION, grace_ms, seen_ms],
        )
        return [text_of(call_sid) for call_sid in rescued]

    @property
    def is_idle(self) -> bool:
        return self._due.is_empty


class SplitHub:
    """Each script touches one slot; a call's shard is found by its SID."""

    def __init__(self, shards: tuple[keys.HubKeys, ...], scripts: TurnScripts, life_ms: int) -> None:
        self.shards = shards
        self._scripts = scripts
        self._life_ms = life_ms
        self._due = DueWatch(scripts)

    def script_keys(self, call_sid: str) -> Sequence[str]:
        return ()

    async def entered(self, call_sid: str) -> None:
        await self._scripts.run(
            "hub_enter",
            _all(self._shard(call_sid), call_sid),
            [call_sid, self._life_ms, GRACE_MS, JOB_ID_PREFIX + call_sid, JOB_FUNCTION],
        )

    async def ended(self, call_sid: str) -> None:
        await self._scripts.command("ZREM", self._shard(call_sid).calls, call_sid)

    async def watch(self, call_sid: str) -> None:
        await self._scripts.run("hub_watch", [self._shard(call_sid).due], [call_sid])

    async def has_room(self, limit: int) -> bool:
        counts = await asyncio.gather(*(self._scripts.run("state_count", [hub.calls], []) for hub in self.shards))
        return sum(map(int, counts)) < limit

    async def rescue(self, most: int, again_ms: int, grace_ms: int) -> list[str]:
        """Shard by shard, side by side: one whose master is away keeps no other waiting."""
        found = await asyncio.gather(
            *(self._rescue(hub, most, again_ms, grace_ms) for hub in self.shards), return_exceptions=True
        )
        _raise_bugs(found)
        if all(isinstance(calls, StoreUnavailable) for calls in found):
            raise StoreUnavailable(str(found[0]))
        return [call_sid for calls in found if not isinstance(calls, BaseException) for call_sid in calls]

    async def _rescue(self, hub: keys.HubKeys, most: int, again_ms: int, grace_ms: int) -> list[str]:
        seen_ms = await self._due.seen_ms(hub)
        if seen_ms is None:
            return []
        ripe = await self._scripts.run("hub_ripe", [hub.due, hub.rounds], [most, again_ms, grace_ms, seen_ms])
        found = list(zip(ripe[::2], ripe[1::2], strict=True))
        strange = [call_sid for call_sid, _ in found if call_sid_of(call_sid) is None]
        if strange:  # no call is named so, and its keys would lie in several slots
            await self._scripts.command("ZREM", hub.due, *strange)
        entries = [(call_sid.decode(), score) for call_sid, score in found if call_sid not in strange]
        woken = await asyncio.gather(*(self._look(hub, *entry) for entry in entries), return_exceptions=True)
        _raise_bugs(woken)
        return [call_sid for (call_sid, _), was_woken in zip(entries, woken, strict=True) if was_woken == 1]

    async def _look(self, hub: keys.HubKeys, call_sid: str, score: bytes) -> int:
        call = keys.call(call_sid)
        found, milliseconds = await self._scripts.run("look", [call.state, call.inbox, call.turns, call.lease], [])
        woken: int = await self._scripts.run(
            "hub_settle",
            _all(hub, call_sid),
            [call_sid, score, found, milliseconds, JOB_ID_PREFIX + call_sid, JOB_FUNCTION],
        )
        return woken

    @property
    def is_idle(self) -> bool:
        return self._due.is_empty

    def _shard(self, call_sid: str) -> keys.HubKeys:
        return keys.shard_of(self.shards, call_sid)


class DueWatch:
    """Asks, by one cheap command, whether anybody is in `due` at all, and remembers when Redis answered that."""

    def __init__(self, scripts: TurnScripts) -> None:
        self._scripts = scripts
        self._seen_at: dict[str, float] = {}
        self._filled: set[str] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nobody was in any `due` that was asked for."""
        return not self._filled

    async def seen_ms(self, hub: keys.HubKeys) -> int | None:
        """Return how long ago (ms) Redis answered before; None if nobody is in `due`. Raise `StoreUnavailable`."""
        before = self._seen_at.get(hub.due, -math.inf)
        exists = await self._scripts.command("EXISTS", hub.due)
        now = self._seen_at[hub.due] = time.monotonic()
        if not exists:
            self._filled.discard(hub.due)
            return None
        self._filled.add(hub.due)
        return int(min((now - before) * 1000, NEVER_MS))


def _all(hub: keys.HubKeys, call_sid: str) -> list[str]:
    return [hub.calls, hub.due, hub.queue, hub.wake, hub.job(JOB_ID_PREFIX + call_sid)]


def _raise_bugs(results: Sequence[Any]) -> None:
    """Redis being away is what the next round is for; anything else is raised."""
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, StoreUnavailable):
            raise result
