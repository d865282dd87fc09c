"""The TwiML with which a caller leaves: `<Dial>`, `<Record>`, `<Hangup>`. Pure functions of their arguments."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from twilio.twiml import TwiML
from twilio.twiml.voice_response import Dial, VoiceResponse

from orchestrator.conversation.actions import HangUp, Record, Transfer
from orchestrator.destinations import destination, national, number
from web.twilio.language import Languages
from web.twilio.sentences import printable
from web.twilio.transfer.way_back import WayBack

logger = logging.getLogger(__name__)

ANNOUNCE_PATH = "/twilio/transfer/announce"
ACCEPT_PATH = "/twilio/transfer/accept"
VOICE_PATH = "/twilio/voice"
UNREACHABLE = "I am sorry, nobody can take your call at the moment. Please call again later. Goodbye."
FAILED = "failed"


@dataclass(frozen=True)
class Exit:
    """Whose caller leaves, by the reply to the turn `by`. `path` returns where they come back, with a query."""

    call_sid: str
    by: str
    path: Callable[..., str]
    languages: Languages

    @classmethod
    def at(cls, number: int, call_sid: str, by: str, languages: Languages) -> "Exit":
        """Return the exit of a caller whose return is the turn with this number."""
        return cls(call_sid, by, lambda **query: languages.turn_path(number, **query), languages)


def add_leaving(response: VoiceResponse, action: HangUp | Transfer | Record, exit_: Exit) -> None:
    """Add the verbs that carry out `action`, the last ones of the document."""
    match action:
        case Transfer():
            add_dial(response, action, exit_)
        case Record():
            _add_record(response, action, exit_)
        case HangUp():
            response.hangup()


def add_dial(response: VoiceResponse, transfer: Transfer, exit_: Exit, *, target: int = 0) -> None:
    """Dial the person with this place among the targets, or all of them if they ring at once.

    The caller's identity is added once it is known who calls (`web.twilio.caller_id`). Whom nobody can dial has
    failed to answer.
    """
    way = WayBack.from_transfer(transfer, exit_.by, target)
    back = exit_.path(**way.query) if way.matters else None
    rung = transfer.targets if transfer.order == "at_once" else transfer.targets[target : target + 1]
    found = [(place, to) for place, to in enumerate(map(dialled, rung), target) if to is not None]
    if len(found) < len(rung):
        logger.error(
            "A caller cannot be connected: the agent named neither a number with its country, nor sip:, nor client:",
            extra={"action": "transfer.impossible", "call_sid": exit_.call_sid},
        )
    if found:
        dial = Dial(
            timeout=transfer.ring_seconds,
            answer_on_bridge=True,
            caller_id=_shown(transfer, exit_),
            **({"action": back, "method": "POST"} if back else {}),
        )
        for place, to in found:
            _add_person(dial, to, _announcement(transfer, exit_, place))
        response.append(dial)
    elif back:
        response.redirect(exit_.path(**way.query | {"status": FAILED}), method="POST")
    else:
        say(response, UNREACHABLE, exit_.languages)
    if not back:
        response.hangup()


def add_fallback_dial(response: VoiceResponse, to: str, languages: Languages) -> None:
    """Dial the person of `TRANSFER_TO`, after an apology. If they do not answer, the call goes on if it can."""
    found = dialled(to)
    if found is None:
        response.hangup()
        return
    back = languages.path(VOICE_PATH, **WayBack("apology").query)
    dial = Dial(action=back, method="POST", timeout=Transfer(to).ring_seconds, answer_on_bridge=True)
    _add_person(dial, found, {})
    response.append(dial)


def dialled(to: str) -> str | None:
    """Return `to` as it is dialled; None if nobody can dial it."""
    return destination(printable(to)) or national(to)


def say(verb: TwiML, text: str, languages: Languages) -> None:
    """Say `text` as the call sounds."""
    spoken = languages.spoken
    verb.say(text, language=spoken.language, voice=spoken.voice)


def _add_person(dial: Dial, to: str, announcement: dict[str, str]) -> None:
    if to.startswith(("sip:", "sips:")):
        dial.sip(to, **announcement)
    elif to.startswith("client:"):
        dial.client(to.removeprefix("client:"), **announcement)
    else:
        dial.number(to, **announcement)


def _announcement(transfer: Transfer, exit_: Exit, place: int) -> dict[str, str]:
    """Return the attributes with which the person hears something before the caller does; none if they do not."""
    if transfer.announce is None and transfer.accept_key is None:
        return {}
    fields = {"call": exit_.call_sid, "by": exit_.by, "place": place, "key": transfer.accept_key}
    return {"url": exit_.languages.path(ANNOUNCE_PATH, **fields), "method": "POST"}


def _shown(transfer: Transfer, exit_: Exit) -> str | None:
    """Return the number that the agent wants to be shown; None if it names none that can be."""
    if transfer.caller_id is None:
        return None
    found = number(transfer.caller_id)
    if found is None:
        logger.warning(
            "The caller_id of a transfer is no number with its country; the caller's or ours is shown",
            extra={"action": "transfer.bad_caller_id", "call_sid": exit_.call_sid},
        )
    return found


def _add_record(response: VoiceResponse, record: Record, exit_: Exit) -> None:
    way = WayBack("record", exit_.by)
    response.record(
        action=exit_.path(**way.query),
        method="POST",
        max_length=record.max_seconds,
        finish_on_key=record.finish_on_key,
        play_beep=record.beep,
    )
    # After silence the provider goes on here.
    response.redirect(exit_.path(**way.query | {"status": "empty"}), method="POST")
