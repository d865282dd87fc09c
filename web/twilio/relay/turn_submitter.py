"""Submits a session's turns to the dispatcher, and runs the call in this process while the store is unavailable.

A relay call is bound to the ingress that holds its socket: no other ingress can get a turn of it. So its last known
state may be continued here (`Dispatcher.run_locally`) without two states of one call.

This is not done while the store answers and only its replicas do not confirm. Then the store has the turn, and a worker
runs it; the caller is held, as callers of webhooks are.
"""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import Dispatcher
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.errors import StoreFull, StoreUnavailable, StoreUnconfirmed, TurnRejected, UnknownCall
from orchestrator.retrying import while_down
from orchestrator.routes.admission import Admission
from orchestrator.routes.choice import Choice
from web.call_log import log_restarted
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio.relay.call_reader import CallReader
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.last_known_state import LastKnownState
from web.twilio.relay.reply_metrics import CHANNEL

CROWDED_SECONDS = 120.0
"""How long a turn waits for those before it while the call has as many waiting turns as it may."""
CROWDED_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Opening:
    """How a call begins: the fields of its state, and whether there is room for it."""

    fields: dict[str, Any]
    admission: Admission | None = None

    @classmethod
    def of(cls, setup: Setup, choice: Choice) -> "Opening":
        """Return how the call of this session begins, if it is new."""
        fields = {
            "channel": CHANNEL,
            "direction": setup.direction,
            "from_number": setup.from_number,
            "to_number": setup.to_number,
            **choice.opening,
        }
        return cls(fields, choice.admission)


class TurnSubmitter:
    """Submits the turns of one call. `opening` is used if the call is new."""

    def __init__(
        self, ingress: Ingress, call_sid: str, opening: Opening, reader: CallReader, last_known: LastKnownState
    ) -> None:
        self._ingress = ingress
        self._timeouts = ingress.timeouts.relay
        self._call_sid = call_sid
        self._opening = opening
        self._reader = reader
        self._last_known = last_known
        self.is_disconnected = False
        """True once the connection is lost: then the call does not continue in this process."""

    @property
    def _dispatcher(self) -> Dispatcher:
        return self._ingress.runtime.dispatcher

    async def submit(self, turn: Turn) -> PendingReply:
        """Submit a turn. If the store stays unavailable, run the call here.

        Raises what `Dispatcher.submit` raises: `StoreUnavailable` only if nothing is known of the call or the store's
        replicas do not confirm, `TurnRejected` if the call has too many waiting turns for `CROWDED_SECONDS`.
        """
        end = time.monotonic() + CROWDED_SECONDS
        while True:
            try:
                return await self._submit_or_run_locally(turn)
            except TurnRejected:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(CROWDED_PAUSE_SECONDS)

    async def find_or_resubmit(
        self, turn_id: str, turn: Turn | None, present: PendingReply | None = None
    ) -> PendingReply | None:
        """Return a new reply to take for a turn that has produced nothing for some time; None to keep the present one.

        The turn is submitted again if the store has lost it or is unavailable. `turn` is None if it is not known here.
        """
        find = partial(self._reader.find, turn_id)
        seconds = self._timeouts.outage
        try:
            found = await while_down(find, down_seconds=seconds, unconfirmed_seconds=seconds)
        except StoreUnconfirmed:
            return None
        except StoreUnavailable as error:
            if turn is None or not self._last_known.is_known:
                return None
            await self._run_locally(error)
            return await self._submit(turn, None)
        if found is None and turn is not None:
            return await self.submit(turn)
        # A call that runs in this process by now, or does not any more, is answered elsewhere than before.
        return found if turn is None and found is not present else None

    async def _submit_or_run_locally(self, turn: Turn) -> PendingReply:
        opening = self._opening if turn.kind == "started" else None
        try:
            return await self._submit(turn, opening)
        except UnknownCall:  # memory was restarted, or a TTL ran out: the call begins again
            if self.is_disconnected:
                raise
            log_restarted(self._call_sid, turn.turn_id)
            restarted = turn.model_copy(update={"kind": "started", "text": "", "digits": ""})
            return await self._submit(restarted, self._opening)
        except StoreFull:
            if opening is not None:
                raise  # no room for new calls
            await self._run_locally(StoreFull())
        except StoreUnconfirmed:
            raise
        except StoreUnavailable as error:
            if opening is not None:
                self._last_known.begin(self._call_sid, opening.fields)
            await self._run_locally(error)
        return await self._submit(turn, opening)

    async def _submit(self, turn: Turn, opening: Opening | None) -> PendingReply:
        # A call that begins is known nowhere else, so it need not wait out an outage.
        down_seconds = self._timeouts.store if opening else self._timeouts.outage
        fields, admission = (opening.fields, opening.admission) if opening else (None, None)
        submit = partial(self._dispatcher.submit, turn, opening=fields, stream=True, admission=admission)
        return await while_down(
            lambda: store_call(submit(), self._timeouts.store),
            down_seconds=down_seconds,
            unconfirmed_seconds=self._ingress.timeouts.hold,
        )

    async def _run_locally(self, error: StoreUnavailable) -> None:
        state = None if self.is_disconnected else self._last_known.get()
        if state is None:
            raise error
        await self._dispatcher.run_locally(state)
