"""The active calls as lines, read once for everybody who looks: only what was written since the last reading."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from orchestrator.conversation.state import ConversationState
from orchestrator.state.base import StateManagerBase
from web.live.call_row import CallHealth, health_now, past_health, row_of
from web.live.turn_durations import LatestTurns
from web.states import read_states

MOST_ROWS = 5000
"""So many calls are kept: those that were written last."""
MOST_READ = 300
"""So many states are read at once; the others are due at the next reading."""
READ_TOGETHER = 25
"""So many states are read and worked on in one go: a few milliseconds."""
MOST_TRIES = 3
"""After so many readings without its state, a call is left out: it has been deleted by hand."""
MOST_GONE = 10_000
ROWS_IN_CHUNK = 500


class Row(NamedTuple):
    """The line of a call: its `fields`, the same as JSON, and the number of the change that it came with."""

    fields: dict[str, Any]
    text: str
    past: CallHealth
    revision: int


class LiveCalls:
    """The lines of all active calls. Each change gets a higher `revision`."""

    def __init__(self, states: StateManagerBase) -> None:
        self._states = states
        self.clear()

    def clear(self) -> None:
        """Forget everything: the next reading begins anew."""
        self._feed = self._states.follow_calls()
        self._due: dict[str, int] = {}  # call SID → how often it was read in vain
        self._rows: OrderedDict[str, Row] = OrderedDict()  # in the order of the last change
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._running: set[str] = set()
        self._forgotten = 0
        self.revision = 0
        self.active = 0
        self.latest_turns = LatestTurns()

    @property
    def is_whole(self) -> bool:
        """True if all calls that are followed have been read."""
        return not self._due

    @property
    def is_truncated(self) -> bool:
        """True if there are more calls than are followed."""
        return self.active > MOST_ROWS

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the lines of all calls, in no order."""
        return [row.fields for row in self._rows.values()]

    async def read(self, running: Iterable[Mapping[str, Any]], now: float) -> None:
        """Read up to `MOST_READ` of the calls that were written since the last reading. Raise `StoreUnavailable`.

        `running` are the turns that run; `now` is Unix seconds.
        """
        page = await self._feed.read(MOST_ROWS)
        self.active = page.active
        for call_sid in page.gone:
            self._due.pop(call_sid, None)
        for call_sid in reversed(page.written):
            self._due[call_sid] = 0
        of_call = {str(turn.get("call_sid")): turn for turn in running}
        self.revision += 1
        for call_sid in page.gone:  # at once: no other page names them, and what follows may fail
            self._remove(call_sid)
        await self._read_gone(page.gone)
        some = list(self._due)[:MOST_READ]
        for first in range(0, len(some), READ_TOGETHER):
            await self._read_some(some[first : first + READ_TOGETHER], of_call, now)
        self._look_at_running(of_call, now)

    async def _read_gone(self, gone: list[str]) -> None:
        """Read the last turns of calls that have ended."""
        for first in range(0, min(len(gone), MOST_READ), READ_TOGETHER):
            self.latest_turns.add(await read_states(self._states, gone[first : first + READ_TOGETHER]))

    async def _read_some(self, call_sids: list[str], running: Mapping[str, Mapping[str, Any]], now: float) -> None:
        found = {state.call_sid: state for state in await read_states(self._states, call_sids)}
        self.latest_turns.add(found.values())
        self.revision += 1
        for call_sid in call_sids:
            if call_sid in self._due:
                self._note(call_sid, found.get(call_sid), running.get(call_sid), now)
        await asyncio.sleep(0)  # others have their turn: callers wait for this process

    def _look_at_running(self, running: Mapping[str, Mapping[str, Any]], now: float) -> None:
        """Bring the health of the calls up to date whose turn runs, or ran at the last reading."""
        self.revision += 1
        for call_sid in {*running, *self._running}:
            row = self._rows.get(call_sid)
            if row is not None:
                health = health_now(row.past, running.get(call_sid), now)
                if health != (row.fields["health"], row.fields["why"]):
                    self._put(call_sid, row.fields, row.past, health)
        self._running = set(running)

    def changes_since(self, revision: int) -> "Changes":
        """Return what has changed since this revision; all lines if that is not known any more, or it is 0."""
        if not self.revision:  # nothing was read yet
            return Changes(False, [], [], 0)
        reset = revision < self._forgotten or not revision
        if reset:
            return Changes(True, [row.text for row in self._rows.values()], [], self.revision)
        changed = []
        for row in reversed(self._rows.values()):
            if row.revision <= revision:
                break
            changed.append(row.text)
        gone = [call_sid for call_sid, at in self._gone.items() if at > revision]
        return Changes(False, changed, gone, self.revision)

    def _note(
        self, call_sid: str, state: ConversationState | None, running: Mapping[str, Any] | None, now: float
    ) -> None:
        if state is None:  # in a cluster a call is listed before its state is written
            self._due[call_sid] += 1
            if self._due[call_sid] >= MOST_TRIES:
                del self._due[call_sid]
            return
        del self._due[call_sid]
        if not state.is_active:
            self._remove(call_sid)
            return
        past = past_health(state)
        before = self._rows.get(call_sid)
        fields, health = row_of(state), health_now(past, running, now)
        if before is None or {**fields, **health._asdict()} != before.fields:
            self._put(call_sid, fields, past, health)

    def _put(self, call_sid: str, fields: dict[str, Any], past: CallHealth, now: CallHealth) -> None:
        fields = {**fields, **now._asdict()}
        self._rows[call_sid] = Row(fields, json.dumps(fields, ensure_ascii=False), past, self.revision)
        self._rows.move_to_end(call_sid)
        self._gone.pop(call_sid, None)

    def _remove(self, call_sid: str) -> None:
        if self._rows.pop(call_sid, None) is None:
            return
        self._gone[call_sid] = self.revision
        self._gone.move_to_end(call_sid)
        if len(self._gone) > MOST_GONE:
            self._forgotten = self._gone.popitem(last=False)[1]


class Changes(NamedTuple):
    """What has changed: if `reset`, `changed` are the lines of all calls. Lines are JSON."""

    reset: bool
    changed: list[str]
    gone: list[str]
    revision: int

    @property
    def is_nothing(self) -> bool:
        """True if nobody need be told."""
        return not (self.reset or self.changed or self.gone)

    def chunks(self, active: int, *, is_truncated: bool) -> Iterable[str]:
        """Yield the same as JSON, in objects of at most `ROWS_IN_CHUNK` lines; only the first one resets."""
        more = ', "truncated": true' if is_truncated else ""
        for first in range(0, max(len(self.changed), 1), ROWS_IN_CHUNK):
            is_first = first == 0
            reset = json.dumps(self.reset and is_first)
            gone = json.dumps(self.gone if is_first else [], ensure_ascii=False)
            lines = ",".join(self.changed[first : first + ROWS_IN_CHUNK])
            yield f'{{"reset": {reset}, "changed": [{lines}], "gone": {gone}, "active": {active}{more}}}'
