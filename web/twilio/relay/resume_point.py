"""Where a new session of a known call resumes. All of it follows from the state."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.conversation.actions import (
    LEAVING_ACTIONS,
    Action,
    Gather,
    HandOff,
    HangUp,
    InlineAction,
    Record,
    SendDigits,
    SetLanguage,
    SetSpeech,
    SetVoice,
    Transfer,
    inline_actions,
)
from orchestrator.conversation.reply import Position, in_order
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.turns.unheard import is_unfetched
from web.twilio.relay.connection_history import ConnectionHistory
from web.twilio.relay.own_turns import is_to_be_said
from web.twilio.relay.playout_clock import SLOWEST_CHARACTERS_PER_SECOND, text_to_repeat
from web.twilio.relay.sent_replies import SentReplies, SentReply


@dataclass(frozen=True)
class UnheardRest:
    """The rest of a reply that the caller may not have heard.

    `heard` is the text before it, `parts` are the words and inline actions to repeat, and `ending` has the action by
    which the caller leaves, if there is one.
    """

    turn_id: str
    heard: str
    parts: tuple[str | InlineAction, ...] = ()
    ending: tuple[HangUp | Transfer | Record, ...] = ()


def unheard_rests(
    state: ConversationState, history: ConnectionHistory, *, certain_from: float = -math.inf, delay: float = 0.0
) -> list[UnheardRest]:
    """Return what is left to say or do of the last reply, and of those after it for which the caller did not ask.

    When an ingress dies, nobody knows which words were spoken. A reply existed at `committed_at` at the latest, but an
    ingress may have received it up to `delay` seconds later and, if Redis was unavailable, not before `certain_from`
    (Unix seconds). It was spoken after those before it.
    """
    rests: list[UnheardRest] = []
    spoken_seconds = math.inf
    last = _last_replies(state)
    waited = _still_to_be_spoken(state, last)
    for record in (*waited, *last):
        produced_at = max(record.committed_at, last[0].received_at) if record in waited else record.committed_at
        since_commit = history.spoken_seconds(produced_at.timestamp() + delay, certain_from)
        spoken_seconds = min(spoken_seconds, since_commit)
        if record.heard is None and (rest := _unheard_rest(record, spoken_seconds)) is not None:
            rests.append(rest)
        spoken_seconds -= len(record.reply.text) / SLOWEST_CHARACTERS_PER_SECOND
    return rests


def rests_after(state: ConversationState, sent: SentReplies) -> list[UnheardRest]:
    """Return what is left to say and do of the last replies when so much of them was `sent`."""
    rests: list[UnheardRest] = []
    last = _last_replies(state)
    for record in (*_still_to_be_spoken(state, last), *last):
        was_sent = sent.find(record.turn_id) or SentReply(record.turn_id)
        if record.heard is not None or was_sent.is_complete or record.outcome in ("interrupted", "dropped"):
            continue
        text, inline = record.reply.text, inline_actions(record.reply.actions)
        if not text.startswith(was_sent.said):  # another run has said something else
            was_sent = SentReply(record.turn_id)
        start = Position(len(was_sent.said), was_sent.actions)
        ending = tuple(action for action in record.reply.actions if isinstance(action, LEAVING_ACTIONS))
        rests.append(UnheardRest(record.turn_id, was_sent.said, tuple(in_order(text, inline, start)), ending))
    return rests


def talked_over(state: ConversationState, utterance: str) -> UnheardRest | None:
    """Return which of the last replies the caller has interrupted who had heard this of its current utterance.

    `heard` is all that they had heard of it. None if nobody knows, or if it is noted already.
    """
    start = utterance.strip()
    for record in reversed(_last_replies(state)):
        if start and record.heard is None and (at := record.reply.text.find(start)) >= 0:
            return UnheardRest(record.turn_id, record.reply.text[: at + len(start)])
    return None


def unheard_replies(state: ConversationState) -> list[UnheardRest]:
    """Return the replies for which the caller did not ask and that came while they were away: all of each.

    The caller is back from a person, or has left a message. What they were told before they left, they have heard.
    """
    rests = (_unheard_rest(record, 0.0) for record in _last_replies(state) if is_unfetched(record))
    return [rest for rest in rests if rest is not None]


def _last_replies(state: ConversationState) -> list[TurnRecord]:
    """Return the last reply and those after it for which the caller did not ask, in order."""
    replies: list[TurnRecord] = []
    for record in reversed(state.turns):
        if is_unfetched(record):
            if is_to_be_said(record):
                replies.append(record)
        elif record.reply.text or record.reply.actions or record.heard is not None:
            replies.append(record)
            break
    return replies[::-1]


def _still_to_be_spoken(state: ConversationState, last: list[TurnRecord]) -> list[TurnRecord]:
    """Return the replies before `last` for which the caller did not ask, and that were not spoken when the turn of its
    first one came: they waited for the end of another, or their turns ended while that turn waited for them."""
    if not last or is_unfetched(last[0]):
        return []
    place = next(place for place, record in enumerate(state.turns) if record is last[0])
    unspoken = {turn_id for record in state.turns[place:] for turn_id in record.unspoken}
    return [
        record
        for record in state.turns[:place]
        if is_unfetched(record)
        and is_to_be_said(record)
        and (record.turn_id in unspoken or record.committed_at >= last[0].received_at)
    ]


def _unheard_rest(record: TurnRecord, spoken_seconds: float) -> UnheardRest | None:
    text = record.reply.text
    rest = text_to_repeat(text, spoken_seconds)
    ending = tuple(action for action in record.reply.actions if isinstance(action, LEAVING_ACTIONS))
    if not rest and not ending:  # the call did not end, so no end was carried out
        return None
    since = len(text) - len(rest)
    due = [action for action in inline_actions(record.reply.actions) if rest and _is_due(action, since)]
    return UnheardRest(record.turn_id, text[:since], tuple(in_order(text, due, Position(since))), ending)


def _is_due(action: InlineAction, since: int) -> bool:
    """True if the action belongs to the rest that begins at `since`.

    What comes after the text that was heard was not carried out either, but keys are not pressed twice. `SetSpeech`
    may come before the rest and still apply to it.
    """
    return isinstance(action, SetSpeech) or (
        not isinstance(action, SendDigits) and (action.at is None or action.at >= since)
    )


def voice_changes(
    state: ConversationState, rests: Sequence[UnheardRest] = ()
) -> list[SetLanguage | SetVoice | HandOff]:
    """Return what has changed the language, the voice and the agent so far, without what `rests` repeat.

    A new session begins as its document says.
    """
    later = [id(part) for rest in rests for part in rest.parts]
    changes = [a for a in _actions(state.turns) if isinstance(a, SetLanguage | SetVoice | HandOff)]
    return [change for change in changes if id(change) not in later]


def last_gather(state: ConversationState) -> Gather:
    """Return how the answer to the last reply is collected; what came unasked leaves that as it is, if it can."""
    spoken = [record for record in state.turns if record.reply.text and not _leaves_gather(record)]
    gathers = [action for action in _actions(spoken[-1:]) if isinstance(action, Gather)]
    return gathers[-1] if gathers else Gather()


def _leaves_gather(record: TurnRecord) -> bool:
    return is_unfetched(record) and not any(isinstance(action, Gather) for action in record.reply.actions)


def _actions(turns: list[TurnRecord]) -> list[Action]:
    return [action for record in turns for action in record.reply.actions]
