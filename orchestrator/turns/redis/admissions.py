"""The limits of tenants, routes and numbers where a submit alone cannot say how many calls there are.

On a single server `submit` counts the calls itself, in the step that begins the call. In a cluster, and where states
are kept elsewhere, the call takes its line in one step and begins in the next one: each limit has all its calls in one
set, so that two calls never take the last line. A line whose call is over is given to another once all seem taken.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import (
    CallEnded,
    CallerLimited,
    CallRefused,
    DestinationLimited,
    TurnRejected,
    UnknownCall,
    VoiceAgentError,
)
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.scanning import scan_keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.routes.admission import Admission
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.admission import Limits
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.call_rates import CallRates
from orchestrator.turns.redis.admission_scripts import Line, admit_call, count_begun, is_over
from orchestrator.turns.redis.call_queue import CallQueue

REFUSALS: dict[str, type[VoiceAgentError]] = {
    "unknown": UnknownCall,
    "ended": CallEnded,
    "refused": CallRefused,
    "too_often": CallerLimited,
    "crowded": TurnRejected,
}
"""What is raised when `submit` returns this."""
BEGINNING_MS = 5000
"""A call that took its line so short a time ago may have no state yet."""


class Admissions:
    """Takes lines. `states` is a manager that keeps the states elsewhere, or None."""

    def __init__(
        self,
        connection: StoreConnection,
        call_queue: CallQueue,
        states: StateManagerBase | None,
        life_ms: int,
        limits: CallLimits,
        rates: CallRates,
    ) -> None:
        self._connection = connection
        self._call_queue = call_queue
        self._states = states
        self._life_ms = life_ms
        self._limits = limits
        self._rates = rates

    async def limits(self, call_sid: str, opening: Mapping[str, Any] | None, admission: Admission | None) -> Limits:
        """Return what limits the call if it begins. Raise `CallerLimited` if its number calls too often, and only this
        can say so: `submit` counts in another slot, or another store has the states."""
        if opening is None:
            return Limits()
        begun = self._rates.of_caller(call_sid, opening)
        limits = Limits.of(self._limits.for_opening(opening), admission, opening, begun)
        is_counted_by_submit = self._states is None and self._call_queue.shard_with(call_sid) is not None
        if begun is None or is_counted_by_submit:
            return limits
        if await self._connection.run(count_begun(begun=begun)) and not await self._has_begun(call_sid):
            raise CallerLimited
        return limits

    async def check_destination(self, number: str, order: str) -> None:
        """Count a call that is to be placed. Raise `DestinationLimited`."""
        counted = self._rates.of_destination(number, order)
        seconds = 0.0 if counted is None else await self._connection.run(count_begun(begun=counted))
        if seconds:
            raise DestinationLimited(seconds)

    async def _has_begun(self, call_sid: str) -> bool:
        if self._states is not None:
            return await self._states.get_state(call_sid) is not None
        return bool(await self._connection.command("EXISTS", keys.state(call_sid)))

    async def may_begin(self, call_sid: str, limits: Limits) -> bool:
        """In a cluster, return whether a call may begin that a submit alone had to refuse. It has its line then."""
        if self._call_queue.shard_with(call_sid) is not None:
            return False
        if limits.all is not None and not await self._call_queue.has_room(limits.all):
            return False
        return await self.take(call_sid, limits)

    async def take(self, call_sid: str, limits: Limits) -> bool:
        """Return whether the call has a line now, or needs none."""
        return not limits.limited_as or await self._take(call_sid, limits.limited_as, limits.most)

    async def count(self, call_sid: str, limited_as: str) -> None:
        """Give the call, which has begun, a line, however many there are."""
        await self._take(call_sid, limited_as, None)

    async def has_room(self, admission: Admission) -> bool:
        """True if another call would get a line."""
        return await self._take("", admission.limited_as, admission.max_calls)

    async def _take(self, call_sid: str, limited_as: str, most: int | None) -> bool:
        taken = await self._admit(call_sid, limited_as, most)
        if not taken:
            return True
        over = await self._over(taken)
        return bool(over) and not await self._admit(call_sid, limited_as, most, over)

    async def give_back(self, call_sid: str) -> None:
        """Remove the call, which is erased, from the set of its limit."""
        noted = await self._connection.command("HGET", keys.call(call_sid).lease, "limited_as")
        if noted:
            await self._connection.command("ZREM", keys.limited_calls(text_of(noted)), call_sid)

    async def erase(self, call_sid: str) -> int:
        """Remove the call from every limit, whatever its lease says. Return in how many it stood.

        They are found by SCAN: their names are the user's.
        """
        with self._connection.guarded():
            pattern = keys.limited_calls("*")
            limits = [text_of(key) async for key in scan_keys(self._connection.redis, pattern)]
        found = 0
        for key in limits:
            found += await self._connection.command("ZREM", key, call_sid)
        return found

    async def _admit(self, call_sid: str, limited_as: str, most: int | None, over: Sequence[Line] = ()) -> list[Line]:
        return await self._connection.run_confirmed(
            admit_call(call_sid=call_sid, limited_as=limited_as, most=most, life_ms=self._life_ms, over=over)
        )

    async def _over(self, taken: Sequence[Line]) -> list[Line]:
        """Return the lines whose calls have ended or have no state any more."""
        found = await self._connection.run_all([is_over(call_sid=line.call_sid) for line in taken])
        living = await self._living() if "unknown" in found else set()
        return [
            line
            for line, standing in zip(taken, found, strict=True)
            if standing == "over"
            or (standing == "unknown" and line.call_sid not in living and line.milliseconds > BEGINNING_MS)
        ]

    async def _living(self) -> set[str]:
        return set() if self._states is None else set(await self._states.get_all_call_sids())
