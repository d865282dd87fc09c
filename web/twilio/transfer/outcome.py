"""What became of a transfer or a recording, in the words of the provider's request."""

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.conversation.absence import leaving_of
from orchestrator.conversation.actions import Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.settings.checks import is_http_url
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio.known_call import READ_SECONDS
from web.twilio.transfer.leaving import FAILED
from web.twilio.transfer.way_back import LONGEST_ID, LONGEST_STATUS, LONGEST_TO, MOST_SECONDS, WayBack, whole
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)

TALKED = ("completed", "answered")
"""The provider's words for a conversation that took place."""
DECLINED = "declined"
LONGEST_URL = 2000


@dataclass(frozen=True)
class Outcome:
    """What became of a transfer: in the provider's word, or `declined`; with whom, and for how long they talked."""

    status: str
    to: str
    seconds: int = 0

    @property
    def has_talked(self) -> bool:
        """True if the caller was connected with a person."""
        return self.status in TALKED

    def turn(self, call_sid: str, turn_id: str) -> Turn:
        """Return the turn that tells the agent."""
        data = {"to": self.to, "seconds": self.seconds}
        return Turn(turn_id=turn_id, call_sid=call_sid, kind="transferred", text=self.status, data=data)


def with_result(way: WayBack, request: VoiceRequest) -> WayBack:
    """Return `way` with what the provider says has become of the transfer, unless it knows that."""
    if way.status:
        return way
    form = request.form
    status = form.get("DialCallStatus", "").strip().lower()[:LONGEST_STATUS]
    if status in TALKED and form.get("DialBridged", "").strip().lower() == "false":
        status = DECLINED  # answered, and hung up during the announcement
    return replace(
        way,
        status=status if status.isprintable() and status else FAILED,
        seconds=whole(form.get("DialCallDuration"), MOST_SECONDS) if status in TALKED else 0,
        leg=form.get("DialCallSid", "").strip()[:LONGEST_ID],
    )


async def with_rung(ingress: Ingress, call_sid: str, way: WayBack) -> WayBack:
    """Return `way` with whom it rang, unless it knows that; as it is if the state cannot be read now."""
    if way.to or way.leave != "transfer":
        return way
    with suppress(StoreUnavailable, UnreadableState):
        state = await store_call(ingress.runtime.states.get_state(call_sid), READ_SECONDS)
        record = state.record_of(way.by) if state is not None else None
        if record is not None:
            spoken = ingress.sensitive_turns.spoken_record(record, call_sid)
            found = leaving_of(spoken)
            targets = found.targets if isinstance(found, Transfer) else ()
            rung = ", ".join(targets if way.at_once else targets[way.target : way.target + 1])
            return replace(way, to=rung if len(rung) <= LONGEST_TO else "", hides_to=spoken is not record)
    return way


async def outcome_of(ingress: Ingress, call_sid: str, way: WayBack) -> Outcome:
    """Return what became of the transfer. Raise `StoreUnavailable` if it cannot be known whether the call was taken."""
    if way.status not in TALKED:
        return Outcome(way.status, way.to)
    if not (way.asks_key or way.at_once):
        return Outcome(way.status, way.to, way.seconds)
    legs = await ingress.runtime.transfer_answers.of(call_sid, way.by)
    if way.at_once:
        return _one_of_many(way, dict(legs))
    return Outcome(way.status, way.to, way.seconds) if way.target in legs else Outcome(DECLINED, way.to)


def _one_of_many(way: WayBack, legs: dict[int, str]) -> Outcome:
    """Return the outcome if several were rung at once: the leg, or the only answer, tells whose it was."""
    names = way.to.split(", ")
    places = [place for place, leg in legs.items() if leg == way.leg] or list(legs)
    who = names[places[0]] if len(places) == 1 and places[0] < len(names) else way.to
    if way.asks_key and not legs:
        return Outcome(DECLINED, way.to)
    return Outcome(way.status, who, way.seconds)


def recorded_turn(request: VoiceRequest, turn_id: str) -> Turn:
    """Return the turn that tells the agent of a recording; of an empty one if the request brings none."""
    url = request.form.get("RecordingUrl", "").strip()
    if url and not (len(url) <= LONGEST_URL and url.isprintable() and is_http_url(url)):
        logger.warning(
            "The provider names no usable URL of a recording; the turn has none",
            extra={"action": "recording.bad_url", "call_sid": request.call_sid, "turn_id": turn_id},
        )
        url = ""
    seconds = whole(request.form.get("RecordingDuration"), MOST_SECONDS) if url else 0
    data: dict[str, Any] = {"url": url, "seconds": seconds}
    return Turn(turn_id=turn_id, call_sid=request.call_sid, kind="recorded", data=data)


async def last_return(ingress: Ingress, request: VoiceRequest, way: WayBack, turn_id: str) -> Turn | None:
    """Return the turn that tells of a caller who has hung up after their message, or while they were connected.

    The agent is not asked about a transfer any more. None if there is nothing to tell. Raise `StoreUnavailable`.
    """
    if way.leave == "record" and "RecordingUrl" in request.form:
        return recorded_turn(request, turn_id)
    if way.leave != "transfer":
        return None
    way = await with_rung(ingress, request.call_sid, with_result(way, request))
    outcome = await outcome_of(ingress, request.call_sid, way)
    return turn_of(ingress, way, outcome, request.call_sid, turn_id).model_copy(update={"given_reply": Reply()})


def turn_of(ingress: Ingress, way: WayBack, outcome: Outcome, call_sid: str, turn_id: str) -> Turn:
    """Return the turn that tells the agent. Whom the caller was connected with may be a secret of theirs."""
    turn = outcome.turn(call_sid, turn_id)
    return ingress.sensitive_turns.without_data(turn) if way.hides_to else turn
