"""`POST /twilio/transfer/announce` and `…/accept`: what a person who was rung hears before the caller is connected.

Their telephone is a call of its own at the provider: these requests carry its `CallSid`, begin no call and end none,
and bring no turn. The URL says whose caller it is about. What is announced is in that call's state and not in the URL,
which others may log.
"""

from dataclasses import dataclass

from starlette.responses import Response
from twilio.twiml.voice_response import Gather, VoiceResponse

from orchestrator.conversation.absence import leaving_of
from orchestrator.conversation.actions import Transfer
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.leaving import MOST_TARGETS
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadCallSid, StoreUnavailable, UnreadableState
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio import twiml
from web.twilio.known_call import READ_SECONDS, KnownCall
from web.twilio.language import Languages
from web.twilio.sentences import pieces
from web.twilio.transfer.leaving import ACCEPT_PATH, say
from web.twilio.transfer.way_back import LONGEST_ID, whole
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest

ANNOUNCEMENT = "You have a call."
KEY_SECONDS = 10
"""How long a person may take to press the key, after the announcement."""
_KEYS = frozenset("0123456789*#")
_SPOKEN_KEYS = {"*": "star", "#": "the pound key"}


@dataclass(frozen=True)
class RungPerson:
    """One person whom a call was transferred to: `place` among the targets of the transfer by the turn `by`."""

    call_sid: str
    by: str
    place: int
    key: str

    @classmethod
    def of(cls, request: VoiceRequest) -> "RungPerson | None":
        """Return whom the URL is about; None if it is none of ours."""
        query = request.query
        key = query.get("key", "")
        try:
            call_sid = checked_call_sid(query.get("call", ""))
        except BadCallSid:
            return None
        if not call_sid or (key and key not in _KEYS):
            return None
        return cls(call_sid, query.get("by", "")[:LONGEST_ID], whole(query.get("place"), MOST_TARGETS - 1), key)


async def announce(ingress: Ingress, request: VoiceRequest) -> Response:
    """Say the announcement, and ask for the key if one is wanted. Without one, who hears it takes the call."""
    person = RungPerson.of(request)
    if person is None:
        return TwimlResponse(twiml.hang_up())
    state = await _state(ingress, person.call_sid)
    if state is not None and state.ended is not None:
        return TwimlResponse(twiml.hang_up())
    languages = request.languages(ingress.voices)
    if state is not None:
        state = ingress.sensitive_turns.spoken(state)
        languages = KnownCall(state, (), ingress.sensitive_turns).languages_before(None, languages)
    if not person.key:
        await ingress.runtime.transfer_answers.note(person.call_sid, person.by, person.place, request.call_sid)
    return TwimlResponse(_document(person, _words(state, person), languages))


async def accept(ingress: Ingress, request: VoiceRequest) -> Response:
    """Connect the caller if the person has pressed the key; hang up on a person who has not."""
    person = RungPerson.of(request)
    if person is None or not person.key or request.digits != person.key:
        return TwimlResponse(twiml.hang_up())
    await ingress.runtime.transfer_answers.note(person.call_sid, person.by, person.place, request.call_sid)
    return TwimlResponse(twiml.empty())


async def _state(ingress: Ingress, call_sid: str) -> ConversationState | None:
    try:
        return await store_call(ingress.runtime.states.get_state(call_sid), READ_SECONDS)
    except (StoreUnavailable, UnreadableState):
        return None


def _words(state: ConversationState | None, person: RungPerson) -> str:
    """Return what the person is told; while the state cannot be read, only that there is a call."""
    record = state.record_of(person.by) if state is not None else None
    found = leaving_of(record) if record is not None else None
    words = (found.announce if isinstance(found, Transfer) else None) or ANNOUNCEMENT
    if not person.key or _names(words, person.key):
        return words
    return f"{words.rstrip()} Press {_SPOKEN_KEYS.get(person.key, person.key)} to take it."


def _names(words: str, key: str) -> bool:
    """True if the words say which key to press."""
    spaced = "".join(char if char.isalnum() or char in _KEYS else " " for char in words)
    return key in spaced.split()


def _document(person: RungPerson, words: str, languages: Languages) -> str:
    response = VoiceResponse()
    said, _ = pieces(words)
    if not person.key:
        for piece in said:
            say(response, piece, languages)
        return str(response.to_xml())
    fields = {"call": person.call_sid, "by": person.by, "place": person.place, "key": person.key}
    gather = Gather(
        input="dtmf",
        action=languages.path(ACCEPT_PATH, **fields),
        method="POST",
        num_digits=1,
        finish_on_key="",
        timeout=KEY_SECONDS,
    )
    for piece in said:
        say(gather, piece, languages)
    response.append(gather)
    response.hangup()
    return str(response.to_xml())
