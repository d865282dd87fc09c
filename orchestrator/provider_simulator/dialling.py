"""How the provider carries out `<Dial>`: it rings, plays each colleague their document, and connects one of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from orchestrator.provider_simulator.colleague_leg import ColleagueLeg
from orchestrator.provider_simulator.colleagues import UNREACHED, Colleague, Colleagues, DialStatus
from orchestrator.provider_simulator.events import Connected, Dialled, Event, Problem, Ringing
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.playback import PlaybackSpeed
from orchestrator.provider_simulator.verbs import Dial, Target
from orchestrator.provider_simulator.webhooks import Webhook, Webhooks
from orchestrator.tasks import cancel_and_wait

BAD_CALLER_ID = 13214
PICK_UP_SECONDS = 2.0
"""How long a telephone rings that is answered."""
_WORST_LAST: Sequence[DialStatus] = ("no-answer", "busy", "failed")
"""What the provider reports of several who were not reached: the first of these that one of them had."""


@dataclass(frozen=True, slots=True)
class _Result:
    target: Target
    status: DialStatus
    leg: CallIdentity
    colleague: Colleague
    is_accepted: bool = False


@dataclass(frozen=True)
class Dialling:
    """One `<Dial>` of the call `caller`. `webhook` is the request that brought it."""

    dial: Dial
    caller: CallIdentity
    webhooks: Webhooks
    webhook: Webhook
    colleagues: Colleagues
    speed: PlaybackSpeed
    tell: Callable[[Event], Awaitable[None]]

    async def fields(self) -> dict[str, str]:
        """Carry it out. Return the form fields of its action."""
        if self._is_refused:
            everybody = ", ".join(target.to for target in self.dial.targets)
            await self.tell(
                Problem(f"{self._shown_number} may not be shown to {everybody}: set callerId ({BAD_CALLER_ID}).")
            )
            await self.tell(Dialled(everybody, "failed"))
            return {"DialCallStatus": "failed", "DialBridged": "false"}
        result = await (self._one_by_one() if self.dial.is_sequential else self._at_once(self.dial.targets))
        return await self._talk(result)

    @property
    def _shown_number(self) -> str:
        return self.dial.caller_id or self.caller.from_number

    @property
    def _is_refused(self) -> bool:
        """True if a telephone would show what is no number (Twilio: error 13214)."""
        shown = self._shown_number
        is_number = shown.startswith("+") and shown[1:].isdecimal()
        return not is_number and any(target.is_number for target in self.dial.targets)

    async def _one_by_one(self) -> _Result:
        results = []
        for target in self.dial.targets:
            result = await self._ring(target)
            if result.is_accepted:
                return result
            results.append(result)
        return _of_nobody(results)

    async def _at_once(self, targets: Sequence[Target]) -> _Result:
        """Ring everybody. The first to accept is connected, and the others ring no longer."""
        ringing = [asyncio.create_task(self._ring(target), name=f"ring {target.to}") for target in targets]
        results: list[_Result] = []
        try:
            for ended in asyncio.as_completed(ringing):
                results.append(await ended)
                if results[-1].is_accepted:
                    return results[-1]
        finally:
            await cancel_and_wait(*ringing)
        return _of_nobody(sorted(results, key=lambda result: targets.index(result.target)))

    async def _ring(self, target: Target) -> _Result:
        colleague = self.colleagues.at(target.to)
        leg = CallIdentity(
            from_number=self._shown_number,
            to_number=target.to,
            account_sid=self.caller.account_sid,
            direction="outbound-dial",
        )
        await self.tell(Ringing(target.to, self._shown_number))
        await asyncio.sleep(self._ringing_seconds(colleague))
        unreached = UNREACHED.get(colleague.behaviour)
        if unreached is not None:
            return _Result(target, unreached, leg, colleague)
        return await self._answered(target, colleague, leg)

    def _ringing_seconds(self, colleague: Colleague) -> float:
        longest = self.speed.ringing_seconds(self.dial.timeout_seconds)
        return longest if colleague.behaviour == "does-not-answer" else min(longest, PICK_UP_SECONDS)

    async def _answered(self, target: Target, colleague: Colleague, leg: CallIdentity) -> _Result:
        side = ColleagueLeg(
            target, colleague, leg, self.caller.call_sid, self.webhooks, self.webhook, self.speed, self.tell
        )
        if await side.accepts():
            return _Result(target, "completed", leg, colleague, is_accepted=True)
        declined = self.colleagues.status_when_declined if target.url is not None else "busy"
        return _Result(target, declined, leg, colleague)

    async def _talk(self, result: _Result) -> dict[str, str]:
        """Connect the caller, if somebody accepted. Return the fields of the action."""
        fields = {"DialCallStatus": result.status, "DialCallSid": result.leg.call_sid, "DialBridged": "false"}
        if result.is_accepted:
            await self.tell(Connected(result.target.to))
            await asyncio.sleep(result.colleague.talk_seconds)
            fields |= {"DialBridged": "true", "DialCallDuration": str(round(result.colleague.talk_seconds))}
        to = result.target.to if result.is_accepted else ", ".join(target.to for target in self.dial.targets)
        is_declined = result.status == "completed" and not result.is_accepted
        await self.tell(Dialled(to, result.status, is_declined))
        return fields


def _of_nobody(results: Sequence[_Result]) -> _Result:
    """Return what is reported of people none of whom was reached."""
    order = [*_WORST_LAST, "completed", "canceled"]
    return min(results, key=lambda result: order.index(result.status))
