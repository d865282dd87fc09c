"""Speaks what the caller has not asked for: replies to signals, timers and activities, each once and in order.

Whoever submits such a turn, the session hears of it: its ingress gets what is published of the call. Whatever is lost
on that way is found in the state, which is read when its version has moved unexpectedly.

The turns of a call run one after the other. So such a reply belongs before those of which nothing has arrived yet.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Literal, NamedTuple

from orchestrator import clock
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.dispatch.hub import Pending
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.turns.unheard import is_unfetched
from web.twilio.relay.last_known_state import LastKnownState
from web.twilio.relay.playout import Playout
from web.twilio.relay.spoken_reply import SpokenReply

MOST_MISSED_SECONDS = 5.0
"""How long replies wait for what may have been missed before them: a store that cannot be read holds nothing up."""


READ_AGAIN_SECONDS = 0.5
"""The pause after a read of the state that failed."""


class _Heard(NamedTuple):
    """A reply that nobody asked for. It `interrupts` what is being said, or not."""

    pending: PendingReply
    interrupts: bool = False


class OwnTurns:
    """Those of one session. It is the listener of its call (`orchestrator.dispatch.call_listeners`).

    `on_cut_off` gets a reply that such a turn has cut off, and of which the caller does not hear all.
    Until `place`, and again after `hold`, it is not known where replies belong: they wait. They also wait while earlier
    ones may have been `missed`, until the state was read, or for `missed_seconds`, and so do all others
    (`nothing_missed`).
    """

    def __init__(
        self,
        call_sid: str,
        playout: Playout,
        last_known: LastKnownState,
        on_cut_off: Callable[[SpokenReply], None],
        *,
        missed_seconds: float = MOST_MISSED_SECONDS,
    ) -> None:
        self._call_sid = call_sid
        self._playout = playout
        self._last_known = last_known
        self._on_cut_off = on_cut_off
        self._missed_seconds = missed_seconds
        self._known: set[str] = set()
        self._blind_since: datetime | None = None
        self._is_held = True
        self._has_missed: Literal["no", "yes", "reading"] = "no"
        self._nothing_missed = asyncio.Event()
        self._nothing_missed.set()
        self._missed_until = 0.0
        self._held: list[_Heard] = []
        self._places: dict[str, int] = {}

    def know(self, turn_ids: Iterable[str]) -> None:
        """Note turns whose replies are spoken otherwise, or were."""
        self._known.update(turn_ids)

    def begin_blind(self) -> None:
        """Note that nothing could be read of the call: what came before the session began was said by an earlier one,
        but for what came last."""
        self._blind_since = clock.utc_now()

    def _know_earlier(self, turns: list[TurnRecord], since: datetime) -> None:
        last = next((place for place in reversed(range(len(turns))) if not is_unfetched(turns[place])), len(turns))
        self._known.update(record.turn_id for record in turns[:last] if record.committed_at < since)

    def hold(self) -> None:
        """Let replies wait: a turn is being stored, which may be run before theirs."""
        self._is_held = True

    def place(self) -> None:
        """Speak the replies that wait, and those that come from now on."""
        self._is_held = False
        self._speak_held()

    def missed(self) -> None:
        """Let replies wait, as earlier ones may not have come."""
        loop = asyncio.get_running_loop()
        self._has_missed, self._missed_until = "yes", loop.time() + self._missed_seconds
        self._nothing_missed.clear()
        loop.call_later(self._missed_seconds, self._give_up)

    async def nothing_missed(self) -> None:
        """Return once all replies are known that come before those that are heard now, or nobody can tell."""
        await self._nothing_missed.wait()

    def _give_up(self) -> None:
        if asyncio.get_running_loop().time() >= self._missed_until:
            self._end_missed()

    def _end_missed(self) -> None:
        self._has_missed = "no"
        self._nothing_missed.set()
        self._speak_held()

    def _read_again(self) -> None:
        if self._has_missed == "reading":
            self._last_known.refresh()
            asyncio.get_running_loop().call_later(READ_AGAIN_SECONDS, self._read_again)

    def _speak_held(self) -> None:
        if self._is_held or self._has_missed != "no":
            return
        held, self._held = sorted(self._held, key=lambda heard: self._place_of(heard.pending)), []
        for heard in held:
            self._speak(heard)
        self._places = {}

    def _place_of(self, pending: PendingReply) -> float:
        """Return the place of a turn in the state that was just read; what is not in it comes after that."""
        return self._places.get(pending.turn_id, math.inf)

    def hear(self, pending: PendingReply, *, interrupts: bool) -> None:
        """Speak the reply to a turn of which the session had not heard."""
        if pending.turn_id not in self._known:
            self._known.add(pending.turn_id)
            self._held.append(_Heard(pending, interrupts))
            self._speak_held()

    def look(self, version: int | None) -> None:
        """Read the state, if it may have replies of which the session has not heard."""
        if version is None or version > self._last_known.version:
            self._last_known.refresh()
            if self._has_missed == "yes":
                self._has_missed = "reading"
                asyncio.get_running_loop().call_later(READ_AGAIN_SECONDS, self._read_again)
        else:
            self._end_missed()

    def catch_up(self, state: ConversationState) -> None:
        """Speak the replies in the state of which the session has not heard."""
        self._places = {record.turn_id: place for place, record in enumerate(state.turns)}
        if self._blind_since is not None:
            self._know_earlier(state.turns, self._blind_since)
            self._blind_since = None
        for record in state.turns:
            if is_unfetched(record) and record.turn_id not in self._known:
                self._known.add(record.turn_id)
                if is_to_be_said(record):
                    pending = Pending(self._call_sid, record.turn_id)
                    pending.settle(record.result(self._call_sid))
                    self._held.append(_Heard(pending))
        if self._has_missed == "reading" and not self._last_known.is_outdated:
            self._end_missed()
        self._speak_held()

    def _speak(self, heard: _Heard) -> None:
        pending, interrupts = heard
        reply = SpokenReply(pending.turn_id, pending, is_unprompted=True, interrupts=interrupts)
        if interrupts and (cut_off := self._playout.cut_off()) is not None:
            self._on_cut_off(cut_off)
        self._playout.insert(reply, _always if interrupts else partial(self._comes_before, pending))

    def _comes_before(self, pending: PendingReply, other: SpokenReply) -> bool:
        mine, theirs = self._place_of(pending), self._place_of(other.pending)
        return mine < theirs or (theirs == math.inf and not other.pending.has_begun)


def is_to_be_said(record: TurnRecord) -> bool:
    """True if a caller is to hear the reply, or to feel what it does, who has not yet."""
    is_over = record.outcome in ("dropped", "interrupted") or record.heard is not None
    return not is_over and bool(record.reply.text or record.reply.actions)


def _always(_: SpokenReply) -> bool:
    return True
