"""Speaks what the caller has not asked for: replies to signals, timers and activities, each once and in order.

Whoever submits such a turn, the session hears of it: its ingress gets what is published of the call. Whatever is lost
on that way is found in the state, which is read when its version has moved unexpectedly.

The turns of a call run one after the other. So such a reply belongs before those of which nothing has arrived yet.
"""

from collections.abc import Callable, Iterable
from functools import partial

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.dispatch.hub import Pending
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.turns.unheard import is_unfetched
from web.twilio.relay.last_known_state import LastKnownState
from web.twilio.relay.playout import Playout
from web.twilio.relay.reply_queue import ComesBefore
from web.twilio.relay.spoken_reply import SpokenReply


class OwnTurns:
    """Those of one session. It is the listener of its call (`orchestrator.dispatch.call_listeners`).

    `on_cut_off` gets a reply that such a turn has cut off, and of which the caller does not hear all.
    Until `place`, and again after `hold`, it is not known where replies belong: they wait.
    """

    def __init__(
        self, call_sid: str, playout: Playout, last_known: LastKnownState, on_cut_off: Callable[[SpokenReply], None]
    ) -> None:
        self._call_sid = call_sid
        self._playout = playout
        self._last_known = last_known
        self._on_cut_off = on_cut_off
        self._known: set[str] = set()
        self._is_held = True
        self._held: list[Callable[[], None]] = []

    def know(self, turn_ids: Iterable[str]) -> None:
        """Note turns whose replies are spoken otherwise, or were."""
        self._known.update(turn_ids)

    def hold(self) -> None:
        """Let replies wait: a turn is being stored, which may be run before theirs."""
        self._is_held = True

    def place(self) -> None:
        """Speak the replies that wait, and those that come from now on."""
        self._is_held = False
        held, self._held = self._held, []
        for speak in held:
            speak()

    def hear(self, pending: PendingReply, *, interrupts: bool) -> None:
        """Speak the reply to a turn of which the session had not heard."""
        if pending.turn_id not in self._known:
            self._known.add(pending.turn_id)
            self._when_placed(partial(self._speak, pending, _is_awaited, interrupts=interrupts))

    def look(self, version: int | None) -> None:
        """Read the state, if it may have replies of which the session has not heard."""
        if version is None or version > self._last_known.version:
            self._last_known.refresh()

    def catch_up(self, state: ConversationState) -> None:
        """Speak the replies in the state of which the session has not heard."""
        missed = [record for record in state.turns if is_unfetched(record) and record.turn_id not in self._known]
        if not missed:
            return
        places = {record.turn_id: place for place, record in enumerate(state.turns)}
        for record in missed:
            self._known.add(record.turn_id)
            if is_to_be_said(record):
                pending = Pending(self._call_sid, record.turn_id)
                pending.settle(record.result(self._call_sid))
                comes_before = partial(_is_later, places, places[record.turn_id])
                self._when_placed(partial(self._speak, pending, comes_before))

    def _when_placed(self, speak: Callable[[], None]) -> None:
        if self._is_held:
            self._held.append(speak)
        else:
            speak()

    def _speak(self, pending: PendingReply, comes_before: ComesBefore, *, interrupts: bool = False) -> None:
        reply = SpokenReply(pending.turn_id, pending, is_unprompted=True, interrupts=interrupts)
        if interrupts and (cut_off := self._playout.cut_off()) is not None:
            self._on_cut_off(cut_off)
        self._playout.insert(reply, _always if interrupts else comes_before)


def is_to_be_said(record: TurnRecord) -> bool:
    """True if a caller is to hear the reply, or to feel what it does, who has not yet."""
    is_over = record.outcome in ("dropped", "interrupted") or record.heard is not None
    return not is_over and bool(record.reply.text or record.reply.actions)


def _always(_: SpokenReply) -> bool:
    return True


def _is_awaited(other: SpokenReply) -> bool:
    return not other.pending.has_begun


def _is_later(places: dict[str, int], place: int, other: SpokenReply) -> bool:
    if other.turn_id in places:
        return places[other.turn_id] > place
    return _is_awaited(other)
