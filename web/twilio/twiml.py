"""Replies as TwiML. Pure functions of their arguments, so that every retry gets the same bytes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from twilio.twiml import TwiML
from twilio.twiml.voice_response import Gather as GatherVerb
from twilio.twiml.voice_response import VoiceResponse

from orchestrator.conversation.actions import (
    LEAVING_ACTIONS,
    Gather,
    HandOff,
    Play,
    SendDigits,
    SetLanguage,
    SetSpeech,
    SetVoice,
    inline_actions,
)
from orchestrator.conversation.reply import TurnResult, in_order
from web.twilio.language import Languages
from web.twilio.plain_twiml import INPUT, ask_plainly
from web.twilio.preceding import with_preceding
from web.twilio.sentences import pieces, printable
from web.twilio.transfer.leaving import Exit, add_fallback_dial, add_leaving, say

logger = logging.getLogger(__name__)

MAX_TWIML_BYTES = 64_000
GOODBYE = "Goodbye."
APOLOGY = "I am sorry, something went wrong."
DECLINED = "We cannot take your call. Goodbye."
BUSY = "All lines are busy. Please call again later."
REPEAT = "I am sorry, I did not get that. Please say it again."
BACK = "You are back with us. Please go on."
FILLERS = (
    "One moment please.",
    "I am still working on it.",
    "Thank you for your patience.",
    "It takes a little longer than usual. Please stay on the line.",
)
MAX_PLAYS = 1000  # the provider's limit
_ANY_ANSWER = Gather()


def filler_text(number: int) -> str:
    """Return the filler for a caller who has heard `number` of them."""
    return FILLERS[number % len(FILLERS)]


def reply(result: TurnResult, *, next_turn: int, languages: Languages) -> str:
    """Return the agent's reply, followed by a `<Gather>` for the turn `next_turn` unless the reply ends the call."""
    if result.outcome == "dropped":
        return farewell(GOODBYE, languages)
    languages = languages.asking(chain(*(said.actions for said in (*result.preceding, result.reply))))
    result = with_preceding(result)
    if result.outcome == "interrupted" and not (result.reply.text or result.reply.actions):
        return _redirect(languages.continue_path(next_turn))  # what has cut it off is to be said at once
    xml = _document(result, next_turn, languages)
    if len(xml.encode()) <= MAX_TWIML_BYTES:
        return xml
    _log_truncated(result, "actions")
    bare = result.model_copy(update={"reply": result.reply.model_copy(update={"actions": []})})
    return _document(bare, next_turn, languages)


def _redirect(path: str) -> str:
    response = VoiceResponse()
    response.redirect(path, method="POST")
    return _xml(response)


def farewell(text: str, languages: Languages) -> str:
    """Return TwiML that says `text` and hangs up."""
    response = VoiceResponse()
    say(response, text, languages)
    response.hangup()
    return _xml(response)


def reject() -> str:
    """Return TwiML that lets the caller hear the busy tone. A call that was not answered costs nothing."""
    response = VoiceResponse()
    response.reject(reason="busy")
    return _xml(response)


def apology(transfer_to: str | None, languages: Languages) -> str:
    """Return TwiML that apologises, then connects the caller with `transfer_to`, or hangs up."""
    response = VoiceResponse()
    say(response, APOLOGY, languages)
    if transfer_to:
        add_fallback_dial(response, transfer_to, languages)
    else:
        response.hangup()
    return _xml(response)


def hang_up() -> str:
    """Return TwiML that hangs up."""
    response = VoiceResponse()
    response.hangup()
    return _xml(response)


def empty() -> str:
    """Return TwiML without verbs, for a call that has ended."""
    return _xml(VoiceResponse())


def filler(attempt: int, *, then: str, languages: Languages) -> str:
    """Return TwiML that asks for a moment, and redirects to the path `then`."""
    response = VoiceResponse()
    say(response, filler_text(attempt), languages)
    response.redirect(then, method="POST")
    return _xml(response)


def ask_again(*, next_turn: int, languages: Languages) -> str:
    """Return TwiML that asks the caller to repeat, as the turn `next_turn`."""
    return ask(REPEAT, next_turn=next_turn, languages=languages)


def ask(text: str, *, next_turn: int, languages: Languages) -> str:
    """Return TwiML that says `text`, and gathers the caller's answer as the turn `next_turn`."""
    response = VoiceResponse()
    gather = _gather(response, _ANY_ANSWER, next_turn, languages)
    say(gather, text, languages)
    response.redirect(languages.turn_path(next_turn), method="POST")
    return _xml(response)


def _xml(response: VoiceResponse) -> str:
    return str(response.to_xml())


def _document(result: TurnResult, next_turn: int, languages: Languages) -> str:
    actions = result.reply.actions
    text = result.reply.text
    if not actions and result.outcome in ("failed", "timed_out") and not printable(text).strip():
        text = APOLOGY
    gathers = [action for action in actions if isinstance(action, Gather)]
    if len(gathers) == len(actions):
        return ask_plainly(_pieces(result, text), gathers[-1] if gathers else _ANY_ANSWER, next_turn, languages)
    return _library_document(result, text, next_turn, languages)


def _library_document(result: TurnResult, text: str, next_turn: int, languages: Languages) -> str:
    response = VoiceResponse()
    actions = result.reply.actions
    script, after = _script(result, text, languages)
    end = next((action for action in actions if isinstance(action, LEAVING_ACTIONS)), None)
    if end is not None:
        for step in script:
            step.perform(response)
        add_leaving(response, end, Exit.at(next_turn, result.call_sid, result.turn_id, after))
    else:
        options = next((action for action in reversed(actions) if isinstance(action, Gather)), _ANY_ANSWER)
        _ask(response, script, options, next_turn, after)
    return _xml(response)


@dataclass(frozen=True)
class _Step:
    """A TwiML verb to add. `is_outside`: it must not be nested in a Gather."""

    perform: Callable[[TwiML], object]
    is_outside: bool = False


def _script(result: TurnResult, text: str, languages: Languages) -> tuple[list[_Step], Languages]:
    """Return what is said and done, in order, and the languages after it."""
    steps: list[_Step] = []
    speech = SetSpeech()
    for part in in_order(text, inline_actions(result.reply.actions)):
        match part:
            case str():
                spoken = languages.changed_by(SetLanguage(speech=speech.language))
                steps += [
                    _Step(partial(say, text=piece, languages=spoken), not speech.interruptible)
                    for piece in _pieces(result, part)
                ]
            case SetSpeech():
                speech = part
            case SetLanguage() | SetVoice() | HandOff():
                languages = languages.changed_by(part)
            case Play():
                steps.append(_Step(partial(_play, action=part), not part.interruptible))
            case SendDigits():
                steps.append(_Step(partial(_send_digits, digits=part.digits), is_outside=True))
    return steps, languages


def _pieces(result: TurnResult, text: str) -> list[str]:
    said, was_cut = pieces(text)
    if was_cut:
        _log_truncated(result, "text")
    return said


def _ask(response: VoiceResponse, script: Sequence[_Step], options: Gather, number: int, languages: Languages) -> None:
    """Add the steps inside a Gather, so that the caller can interrupt them; those before it cannot be interrupted."""
    inside = max((i + 1 for i, step in enumerate(script) if step.is_outside), default=0)
    for step in script[:inside]:
        step.perform(response)
    gather = _gather(response, options, number, languages)
    for step in script[inside:]:
        step.perform(gather)
    # Providers that do not know actionOnEmptyResult reach this verb after silence; without it they would hang up.
    response.redirect(languages.turn_path(number), method="POST")


def _play(verb: TwiML, action: Play) -> None:
    verb.play(printable(action.url), loop=min(action.loop, MAX_PLAYS) if action.loop != 1 else None)


def _send_digits(verb: TwiML, digits: str) -> None:
    verb.play(digits=digits)


def _gather(response: VoiceResponse, options: Gather, number: int, languages: Languages) -> GatherVerb:
    hears_speech, heard = options.input != "keys", languages.heard(options.language)
    language = options.language or languages.recognised
    hints = None if languages.sensitive else printable(", ".join(options.hints) or heard.hints) or None
    gather = GatherVerb(
        input=INPUT[options.input],
        action=languages.turn_path(number),
        method="POST",
        action_on_empty_result=True,
        timeout=options.timeout_seconds,
        speech_timeout=heard.speech_timeout if hears_speech else None,
        num_digits=options.num_digits if options.input != "speech" else None,
        finish_on_key=printable(options.finish_on_key) if options.input != "speech" else None,
        language=printable(language) if language and hears_speech else None,
        **({heard.hints_name: hints, **heard.attributes} if hears_speech else {}),
    )
    response.append(gather)
    return gather


def _log_truncated(result: TurnResult, what: str) -> None:
    logger.warning(
        "The %s of a reply exceeded the provider's limit and was cut off",
        what,
        extra={"action": "reply.truncated", "call_sid": result.call_sid, "turn_id": result.turn_id},
    )
