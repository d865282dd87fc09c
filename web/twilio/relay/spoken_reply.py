"""One reply as it is said over one session: what was sent of it, and what was heard."""

import time
from dataclasses import dataclass, field

from orchestrator.conversation.actions import Action, SetSpeech
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import PendingReply
from web.twilio.relay import outbound_frames


@dataclass(eq=False)
class SpokenReply:
    """A reply that is to be said, in one utterance or, when something is done amid it, in several.

    `turn` is None if another session handed it over; `prefix` was heard before, over another line. `said` is what was
    sent, `actions_done` how many inline actions; `begins` places in `said` where utterances begin, the last of which is
    not ended while `is_open`. `heard` is what was heard of the reply when it was cut off. `paused_until` is on the
    monotonic clock, infinite while what the caller has said since is on its way to the store. It `is_overtaken` once
    they have.
    """

    turn_id: str
    pending: PendingReply
    turn: Turn | None = None
    prefix: str = ""
    said: str = ""
    actions_done: int = 0
    begins: list[int] = field(default_factory=list)
    is_open: bool = False
    speech_options: SetSpeech = outbound_frames.PLAIN
    heard: str = ""
    leaving: Action | None = None
    paused_until: float = 0.0
    is_overtaken: bool = False
    since: float = field(default_factory=time.monotonic)


def heard_of(reply: SpokenReply, heard: str, unspoken: int) -> str:
    """All that was heard of `reply` when `heard` was of one of its utterances, the last `unspoken` of which the
    provider has not said to be over."""
    ends = [*reply.begins[1:], len(reply.said)]
    spoken = min(max(len(reply.begins) - unspoken, 0), max(len(reply.begins) - 1, 0))
    open_ones = list(zip(reply.begins, ends, strict=True))[spoken:]
    fitting = (begin for begin, end in open_ones if reply.said[begin:end].strip().startswith(heard.strip()))
    begin = next(fitting, open_ones[0][0] if open_ones else 0)
    return reply.prefix + reply.said[:begin] + heard
