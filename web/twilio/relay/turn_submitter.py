"""Hands a session's turns to the dispatcher, and goes on in this process where the store is away.

A relay call is pinned to its socket's ingress: nobody else can get a turn of it, so its last known state may be
continued here (`Dispatcher.run_locally`) without making two truths. But not while the store answers without its
replicas: it has the turn, and a worker is at it. Then the caller is held, as those of webhooks are.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import Dispatcher, LineClaim, PendingReply
from orchestrator.errors import StoreFull, StoreUnavailable, StoreUnconfirmed, TurnRejected, UnknownCall
from orchestrator.retrying import until_deadline, while_down
from orchestrator.tasks import cancel_and_wait
from web.ingress import Ingress

logger = logging.getLogger(__name__)

T = TypeVar("T")
Unanswered = list[tuple[str, PendingReply]]
"""Turn ids, each with the reply that is awaited."""

STORE_SECONDS = 4.0
"""How long one access to the store may take, all its tries together."""
CROWDED_SECONDS = 120.0
"""How long a turn waits for those before it, where the call has as many waiting turns as it may."""
CROWDED_PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 10.0
"""How long a call that is known waits for the store before it goes on here. What it goes on with is lost if this
process dies before the store is back: an outage shorter than that is better waited out."""


class TurnSubmitter:
    """The way of one call's turns to the dispatcher. `opening` holds the fields of its state, should it be new."""

    def __init__(self, ingress: Ingress, call_sid: str, opening: dict[str, Any]) -> None:
        self.opening = opening
        self._call_sid = call_sid
        self._ingress = ingress
        self._claim = LineClaim()
        self._known: str | None = None
        self._is_old = True
        self._looking: asyncio.Task[None] | None = None
        self.is_leaving = False
        """Whether the line is lost, so that the call does not go on here."""

    @property
    def _dispatcher(self) -> Dispatcher:
        return self._ingress.runtime.dispatcher

    async def claimed_state(self) -> ConversationState | None:
        """The call's state, once no other ingress has its line; None for a new call. Raises `StoreUnavailable` after
        `STORE_SECONDS`, twice that if it hangs."""
        await self._claim_line()
        return self._kept(await until_deadline(self._read, STORE_SECONDS))

    async def take_over(self) -> tuple[Unanswered, ConversationState | None]:
        """How the call stands, once no other ingress has its line: what an earlier session handed over and has no
        result yet, and the state. Raises `StoreUnavailable` after `STORE_SECONDS`, twice or thrice that if it hangs.

        They are read in this order: a turn that settles in between is in both then, and not in neither. The state is
        one that stays: a reply that is taken back, and given anew, nobody would be listening to.
        """
        await self._claim_line()
        unanswered = await until_deadline(self._unanswered, STORE_SECONDS)
        confirmed = self._ingress.runtime.states.get_confirmed_state
        return unanswered, self._kept(await until_deadline(lambda: _bounded(confirmed(self._call_sid)), STORE_SECONDS))

    async def submit(self, turn: Turn) -> PendingReply:
        """Hand over a turn, and go on here if the store stays away.

        Raises what `Dispatcher.submit` raises; `StoreUnavailable` only when nothing is known of the call, or the
        store's replicas stay away; `TurnRejected` where too many turns of the call wait for too long.
        """
        end = time.monotonic() + CROWDED_SECONDS
        while True:
            try:
                return await self._submit_known(turn)
            except TurnRejected:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(CROWDED_PAUSE_SECONDS)

    async def _submit_known(self, turn: Turn) -> PendingReply:
        opening = self.opening if turn.kind == "started" else None
        try:
            return await self._submit(turn, opening)
        except UnknownCall:  # restarted memory, or a TTL that ran out: the call begins afresh
            if self.is_leaving:
                raise
            logger.info(
                "The call is not known here and begins afresh",
                extra={"action": "call.restarted", "call_sid": self._call_sid, "turn_id": turn.turn_id},
            )
            afresh = turn.model_copy(update={"kind": "started", "text": "", "digits": ""})
            return await self._submit(afresh, self.opening)
        except StoreFull:
            if opening is not None:
                raise  # no room for new calls
            await self._go_on_here(StoreFull())
        except StoreUnconfirmed:
            raise
        except StoreUnavailable as error:
            if opening is not None and self._known is None:
                self._known = ConversationState(call_sid=self._call_sid, version=1, **self.opening).model_dump_json()
            await self._go_on_here(error)
        return await self._submit(turn, opening)

    async def again(self, turn_id: str, turn: Turn | None) -> PendingReply | None:
        """Look after a turn that is silent: None while it is in good hands, else its new reply."""
        try:
            seconds = PATIENCE_SECONDS
            found = await while_down(lambda: self._find(turn_id), down_seconds=seconds, unconfirmed_seconds=seconds)
        except StoreUnconfirmed:
            return None
        except StoreUnavailable as error:
            if turn is None or self._known is None:
                return None
            await self._go_on_here(error)
            return await self._submit(turn, None)
        if found is None and turn is not None:
            return await self.submit(turn)
        return None

    def remember(self) -> None:
        """Read the state again, in the background: what is known of the call if the store goes away now."""
        self._is_old = True
        if self._ingress.settings.use_redis and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(), name=f"remember {self._call_sid}")

    async def close(self) -> None:
        """End what goes on in the background."""
        await cancel_and_wait(self._looking, seconds=1)

    async def _claim_line(self) -> None:
        take_over = self._dispatcher.take_over
        await until_deadline(lambda: _bounded(take_over(self._call_sid, self._claim)), STORE_SECONDS)

    async def _look(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # then the one before is the last known
            while self._is_old:
                self._is_old = False
                self._kept(await self._read())

    def _kept(self, state: ConversationState | None) -> ConversationState | None:
        if state is not None and self._ingress.settings.use_redis:
            self._known = state.model_dump_json()  # a fifth of what the objects take: thousands of calls are idle
        return state

    async def _read(self) -> ConversationState | None:
        return await _bounded(self._ingress.runtime.states.get_state(self._call_sid))

    async def _unanswered(self) -> Unanswered:
        waiting = await _bounded(self._dispatcher.waiting(self._call_sid))
        found = [(turn_id, await self._find(turn_id)) for turn_id in waiting]
        return [(turn_id, pending) for turn_id, pending in found if pending is not None]

    async def _find(self, turn_id: str) -> PendingReply | None:
        return await _bounded(self._dispatcher.find(self._call_sid, turn_id))

    async def _submit(self, turn: Turn, opening: dict[str, Any] | None) -> PendingReply:
        # A call that begins is known nowhere else: it need not wait.
        patience = STORE_SECONDS if opening else PATIENCE_SECONDS
        once = partial(self._dispatcher.submit, turn, opening=opening, stream=True)
        return await while_down(
            lambda: _bounded(once()), down_seconds=patience, unconfirmed_seconds=self._ingress.timeouts.hold
        )

    async def _go_on_here(self, error: StoreUnavailable) -> None:
        if self._known is None or self.is_leaving:
            raise error
        await self._dispatcher.run_locally(ConversationState.model_validate_json(self._known))


async def _bounded(operation: Awaitable[T]) -> T:
    """A transport that hangs counts as a store that does not answer."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await operation
    except TimeoutError:
        raise StoreUnavailable from None
