"""Places outbound calls at the provider, one for each idempotency key."""

import contextlib
import json
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from orchestrator.dial_allow import objection
from orchestrator.dispatch.dispatcher import Dispatcher
from orchestrator.errors import CallErased, CallRefused, Overloaded, StoreUnavailable, VoiceAgentError
from orchestrator.idempotency.store import IdempotencyRecord, IdempotencyStore
from orchestrator.provider_api.client import PlacedCall, ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.routes.choice import Choice
from orchestrator.routes.table import RouteTable
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.call_limits import CallLimits
from web.agent_choice import channel_of, without_hook
from web.ingress import Ingress
from web.outbound.call_state import create_placed_state
from web.outbound.capacity import Capacity
from web.outbound.outbound_call import OutboundCall, OutboundContext
from web.seal import Seal
from web.shedding import Shedding

logger = logging.getLogger(__name__)

EVENTS = ["initiated", "ringing", "answered", "completed"]
DETECTION = {"hang_up": "Enable", "leave_message": "DetectMessageEnd"}
UNKNOWN = (
    "Nobody knows yet whether the call with this Idempotency-Key was placed. Ask again in a moment; "
    "if this stays, look into the provider's log before you order it with another key."
)


@dataclass(frozen=True)
class CallPlacer:
    """Places calls through the provider's `api`. All ingresses share `idempotency` and `states`."""

    settings: Settings
    api: ProviderApi
    idempotency: IdempotencyStore
    seal: Seal = field(repr=False)
    states: StateManagerBase
    dispatcher: Dispatcher
    capacity: Capacity
    routes: RouteTable = field(default_factory=RouteTable)
    shedding: Shedding = field(default_factory=Shedding)

    def check_ready(self) -> None:
        """Raise `ProviderError` 501 when calls cannot be placed with these settings."""
        if not self.api.has_credentials:
            raise ProviderError("Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN: without them no call is placed.", 501)
        if not self.settings.public_base_url:
            raise ProviderError("Set PUBLIC_BASE_URL: the provider asks there what to say.", 501)

    async def place(self, call: OutboundCall, key: str | None) -> tuple[PlacedCall, bool]:
        """Return the placed call, and True if an earlier request with this `key` placed it.

        A recorded outcome comes first: a repeated request gets it, even when a new one would be refused.
        Raise `ProviderError`, `CallRefused` or `StoreUnavailable`.
        """
        if key is None:
            return await self._place(call, uuid4().hex), False
        recorded = await self.idempotency.claim(key, call.fingerprint)
        if recorded is not None:
            return _replayed(recorded, call), True
        try:
            placed = await self._place(call, key)
        except ProviderError as error:
            if not error.is_unknown:
                await self._release(key)
            raise
        except VoiceAgentError:  # the provider was not asked
            await self._release(key)
            raise
        try:
            answer = json.dumps([placed.call_sid, placed.status])
            await self.idempotency.complete(key, IdempotencyRecord(call.fingerprint, answer))
        except StoreUnavailable:  # the claim stays: a retry gets 409, and no second call is placed
            logger.warning(
                "The outcome of an outbound call could not be recorded; a repeated order gets 409",
                extra={"action": "outbound.idempotency_write_failed", "call_sid": placed.call_sid},
            )
        return placed, False

    async def _release(self, key: str) -> None:
        with contextlib.suppress(StoreUnavailable):  # the client must learn of the first error, not of this one
            await self.idempotency.release(key)

    async def _place(self, call: OutboundCall, order: str) -> PlacedCall:
        self.check_ready()
        caller = call.from_number or self.settings.twilio_from_number
        if not caller:
            raise ProviderError('Say who calls: {"from": "+1…"}, or set TWILIO_FROM_NUMBER.', 422)
        if (why_not := objection(call.to, caller, self.settings.dial_prefixes)) is not None:
            raise ProviderError(f"to: This may not be dialled. {why_not}", 422)
        choice = self._choice(call, caller)
        if self.shedding.refuses(choice.tenant):
            raise Overloaded
        async with self.capacity.reserve():
            if choice.admission is not None and not await self.dispatcher.has_room(choice.admission):
                raise CallRefused
            await self.dispatcher.check_destination(call.to, order)
            return await self._place_at_provider(call, caller, choice)

    async def _place_at_provider(self, call: OutboundCall, caller: str, choice: Choice) -> PlacedCall:
        options = {"machine_detection": DETECTION[call.machine_detection]} if call.machine_detection != "off" else {}
        base = self.settings.public_base_url
        context = OutboundContext.of(call, choice if self.routes.agents else None)
        placed = await self.api.place(
            to=call.to,
            from_=caller,
            url=f"{base}/twilio/voice?{urlencode({'errand': context.sealed(self.seal)})}",
            method="POST",
            status_callback=f"{base}/twilio/status",
            status_callback_event=EVENTS,
            status_callback_method="POST",
            timeout=call.ring_seconds,
            **options,
        )
        logger.info("Call placed", extra={"action": "outbound.placed", "call_sid": placed.call_sid})
        accept = partial(self.dispatcher.accept, admission=choice.admission)
        await create_placed_state(self.states, accept, placed.call_sid, self._opening(call, caller, choice))
        return placed

    def _choice(self, call: OutboundCall, caller: str) -> Choice:
        """Return who talks. A split of its route is drawn by chance: the call has no SID yet."""
        return without_hook(self.routes, caller, uuid4().hex, agent=call.agent, is_placed=True)

    def _opening(self, call: OutboundCall, caller: str, choice: Choice) -> dict[str, Any]:
        return {
            "channel": channel_of(self.routes, self.settings, choice),
            "direction": "outbound-api",
            "from_number": caller,
            "to_number": call.to,
            **choice.opening,
            "slots": {**choice.slots, **call.slots},
        }


def _replayed(record: IdempotencyRecord, call: OutboundCall) -> PlacedCall:
    if record.fingerprint != call.fingerprint:
        raise ProviderError("This Idempotency-Key was used for another order. Use a new one.", 422)
    if not record.answer:
        raise ProviderError(UNKNOWN, 409)
    call_sid, status, *_ = json.loads(record.answer)  # a newer version may have written more
    if not call_sid:
        raise CallErased
    return PlacedCall(call_sid, status)


def call_placer(ingress: Ingress, api: ProviderApi) -> CallPlacer:
    """Return what places the calls of `ingress`."""
    settings, runtime = ingress.settings, ingress.runtime
    capacity = Capacity(runtime.states, CallLimits.of(settings).for_api)
    return CallPlacer(
        settings, api, runtime.idempotency_store(), ingress.seal, runtime.states, runtime.dispatcher, capacity,
        ingress.routes, ingress.shedding,
    )  # fmt: skip
