"""The limits of calls where one process has all of them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from orchestrator.errors import CallRefused
from orchestrator.routes.admission import Admission
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.admission import Limits
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.call_rates import NO_RATES, CallRates
from orchestrator.turns.memory_call_rates import MemoryCallRates


class MemoryAdmissions:
    """Counts the calls of each limit. Which of them are active, `states` say, once all lines seem taken."""

    def __init__(self, states: StateManagerBase, limits: CallLimits, rates: CallRates = NO_RATES) -> None:
        self._states = states
        self._limits = limits
        self.rates = MemoryCallRates(rates)
        self._calls: defaultdict[str, set[str]] = defaultdict(set)
        self._beginning: set[str] = set()

    @asynccontextmanager
    async def line(self, call_sid: str, opening: Mapping[str, Any], admission: Admission | None) -> AsyncIterator[None]:
        """Count a call whose state is created in this block. Raise `CallRefused` if there are too many."""
        limit = self._limits.for_opening(opening)
        if limit is not None and await self._states.get_active_calls_count() >= limit:
            raise CallRefused
        self.rates.check_caller(call_sid, opening)
        limits = Limits.of(limit, admission, opening)
        if not limits.limited_as:
            yield
            return
        if limits.most is not None and not await self._has_line(limits.limited_as, limits.most):
            raise CallRefused
        # Nothing was awaited since the calls were counted.
        calls = self._calls[limits.limited_as]
        calls.add(call_sid)
        self._beginning.add(call_sid)
        try:
            yield
        except BaseException:
            calls.discard(call_sid)
            raise
        finally:
            self._beginning.discard(call_sid)

    async def has_room(self, admission: Admission) -> bool:
        """True if another call may begin."""
        return await self._has_line(admission.limited_as, admission.max_calls)

    def count(self, call_sid: str, admission: Admission) -> None:
        """Count a call that has begun."""
        self._calls[admission.limited_as].add(call_sid)

    def limited_as(self, call_sid: str) -> str | None:
        """Return as what the call is limited; None: it is not."""
        return next((name for name, calls in self._calls.items() if call_sid in calls), None)

    def forget(self, call_sid: str) -> None:
        """Count the call no more."""
        for calls in self._calls.values():
            calls.discard(call_sid)

    async def _has_line(self, limited_as: str, most: int) -> bool:
        calls = self._calls[limited_as]
        if len(calls) >= most:
            settled = calls - self._beginning  # a call that begins meanwhile is not looked at
            calls -= settled.difference(await self._states.get_all_call_sids())
        return len(calls) < most
