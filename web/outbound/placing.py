"""From an order to a ringing telephone, once for each idempotency key."""

import contextlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from orchestrator.dial_allow import dial_prefixes, objection
from orchestrator.errors import StoreUnavailable, VoiceAgentError
from orchestrator.idempotency.store import IdempotencyRecord, IdempotencyStore
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.call_limits import CallLimits
from web.ingress import Ingress
from web.outbound.beginning import begin
from web.outbound.line import Placed, ProviderError, ProviderLine
from web.outbound.order import Errand, Order
from web.outbound.room import Room
from web.seal import Seal

logger = logging.getLogger(__name__)

EVENTS = ["initiated", "ringing", "answered", "completed"]
DETECTION = {"hang_up": "Enable", "leave_message": "DetectMessageEnd"}
UNKNOWN = (
    "Nobody knows yet whether the call with this Idempotency-Key was placed. Ask again in a moment; "
    "if this stays, look into the provider's log before you order it with another key."
)


@dataclass(frozen=True)
class Outbound:
    """Places calls. `line` goes to the provider; `idempotency` and `states` are shared by all ingresses."""

    settings: Settings
    line: ProviderLine
    idempotency: IdempotencyStore
    seal: Seal = field(repr=False)
    states: StateManagerBase
    room: Room

    def check_ready(self) -> None:
        """Raise `ProviderError` 501 when calls cannot be placed with these settings."""
        if not self.line.is_open:
            raise ProviderError("Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN: without them no call is placed.", 501)
        if not self.settings.public_base_url:
            raise ProviderError("Set PUBLIC_BASE_URL: the provider asks there what to say.", 501)

    async def place(self, order: Order, key: str | None) -> tuple[Placed, bool]:
        """The call, and whether it had been placed before under this `key`. Raises `ProviderError`, `CallRefused` or
        `StoreUnavailable`.

        A recorded outcome comes first: a repeated order gets it, even when a new order would be refused.
        """
        if key is None:
            return await self._place(order), False
        there = await self.idempotency.claim(key, order.fingerprint)
        if there is not None:
            return _replayed(there, order), True
        try:
            placed = await self._place(order)
        except ProviderError as error:
            if not error.is_unknown:
                await self._release(key)
            raise
        except VoiceAgentError:  # nobody has been asked
            await self._release(key)
            raise
        try:
            answer = json.dumps([placed.call_sid, placed.status])
            await self.idempotency.complete(key, IdempotencyRecord(order.fingerprint, answer))
        except StoreUnavailable:  # the claim stays: a retry is told that nobody knows, and no second call is placed
            logger.warning(
                "The outcome of an outbound call could not be recorded; a repeated order gets 409",
                extra={"action": "outbound.idempotency_write_failed", "call_sid": placed.call_sid},
            )
        return placed, False

    async def _release(self, key: str) -> None:
        with contextlib.suppress(StoreUnavailable):  # what is wrong already is what the client must know
            await self.idempotency.release(key)

    async def _place(self, order: Order) -> Placed:
        self.check_ready()
        caller = order.from_number or self.settings.twilio_from_number
        if not caller:
            raise ProviderError('Say who calls: {"from": "+1…"}, or set TWILIO_FROM_NUMBER.', 422)
        allowed = dial_prefixes(self.settings.dial_allow) if self.settings.dial_allow else None
        if (why_not := objection(order.to, caller, allowed)) is not None:
            raise ProviderError(f"to: This may not be dialled. {why_not}", 422)
        async with self.room.line():
            return await self._placed(order, caller)

    async def _placed(self, order: Order, caller: str) -> Placed:
        options = {"machine_detection": DETECTION[order.machine_detection]} if order.machine_detection != "off" else {}
        base = self.settings.public_base_url
        placed = await self.line.place(
            to=order.to,
            from_=caller,
            url=f"{base}/twilio/voice?{urlencode({'errand': self._sealed(order)})}",
            method="POST",
            status_callback=f"{base}/twilio/status",
            status_callback_event=EVENTS,
            status_callback_method="POST",
            timeout=order.ring_seconds,
            **options,
        )
        logger.info("Call placed", extra={"action": "outbound.placed", "call_sid": placed.call_sid})
        await begin(self.states, placed.call_sid, self._opening(order, caller))
        return placed

    def _opening(self, order: Order, caller: str) -> dict[str, Any]:
        return {
            "channel": self.settings.voice_channel,
            "direction": "outbound-api",
            "from_number": caller,
            "to_number": order.to,
            "slots": order.slots,
        }

    def _sealed(self, order: Order) -> str:
        errand = Errand(slots=order.slots, machine_detection=order.machine_detection)
        return self.seal.wrap(errand.model_dump_json().encode())


def _replayed(record: IdempotencyRecord, order: Order) -> Placed:
    if record.fingerprint != order.fingerprint:
        raise ProviderError("This Idempotency-Key was used for another order. Use a new one.", 422)
    if not record.answer:
        raise ProviderError(UNKNOWN, 409)
    call_sid, status, *_ = json.loads(record.answer)  # a newer version may have written more
    return Placed(call_sid, status)


def outbound(ingress: Ingress, line: ProviderLine) -> Outbound:
    """Return what places the calls of an ingress."""
    settings, runtime = ingress.settings, ingress.runtime
    room = Room(runtime.states, CallLimits.of(settings).for_api)
    return Outbound(settings, line, runtime.idempotency_store(), ingress.seal, runtime.states, room)
