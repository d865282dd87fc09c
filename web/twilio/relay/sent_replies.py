"""What a session had sent of its last replies when its socket was lost, for a session that goes on in its place.

A provider that opens the socket again goes on speaking what it has received. So such a session sends the rest, and says
nothing twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from pydantic import TypeAdapter, ValidationError

from orchestrator.conversation.reply import no_items
from web.twilio.relay.spoken_reply import SpokenReply

MOST_CHARACTERS = 40_000


@dataclass(frozen=True)
class SentReply:
    """What was sent of one reply: the text `said` and the first `actions` of its inline actions.

    `is_complete`: all of it was sent and done; `said` is left out then. `is_open`: its last utterance was not ended.
    """

    turn_id: str
    said: str = ""
    actions: int = 0
    is_open: bool = False
    is_complete: bool = False

    @classmethod
    def of(cls, reply: "SpokenReply | SentReply") -> "SentReply":
        """Return what was sent of a reply."""
        if isinstance(reply, SentReply):
            return reply
        if reply.is_complete:
            return cls(reply.turn_id, is_complete=True)
        return cls(reply.turn_id, reply.prefix + reply.said, reply.actions_done, reply.is_open)

    def go_on(self, reply: SpokenReply) -> SpokenReply:
        """Return the reply, of which this was sent already."""
        reply.said, reply.actions_done, reply.is_open = self.said, self.actions, self.is_open
        reply.goes_on, reply.utterances = bool(self.said), [0] if self.said else []
        return reply


@dataclass(frozen=True)
class SentReplies:
    """The last replies, oldest first. The provider speaks for about `seconds_left` more, from `at` (Unix seconds)."""

    at: float
    seconds_left: float = 0.0
    replies: list[SentReply] = field(default_factory=no_items)

    @classmethod
    def of(cls, replies: Iterable[SpokenReply | SentReply], seconds_left: float, at: float) -> "SentReplies":
        """Return what was sent of these replies."""
        return cls(at, seconds_left, [SentReply.of(reply) for reply in replies])

    def seconds_left_of(self, turn_id: str, now: float) -> float:
        """Return for how long the provider still speaks the reply to this turn; 0 if it does not."""
        is_last = bool(self.replies) and self.replies[-1].turn_id == turn_id
        return max(self.seconds_left - max(now - self.at, 0.0), 0.0) if is_last else 0.0

    def find(self, turn_id: str) -> SentReply | None:
        """Return what was sent of the reply to this turn; None if nothing was."""
        return next((reply for reply in self.replies if reply.turn_id == turn_id), None)

    @property
    def json(self) -> str:
        """Return this as text; "" if it would be too long."""
        text = _format().dump_json(self).decode()
        return text if len(text) <= MOST_CHARACTERS else ""


@cache
def _format() -> TypeAdapter[SentReplies]:
    """Return what reads and writes them. It is built when a session is first resumed: few are."""
    return TypeAdapter(SentReplies)


def read_sent_replies(text: str) -> SentReplies | None:
    """Return what `SentReplies.json` has made `text` of; None for any other text."""
    try:
        return _format().validate_json(text) if 0 < len(text) <= MOST_CHARACTERS else None
    except ValidationError:
        return None
