"""Two agents of the routes: `reception` hands what is said to `billing`, which does as `support.puppet` does."""

from collections.abc import AsyncIterator

from support import puppet

from orchestrator.agents.protocol import Part
from orchestrator.conversation.actions import HandOff
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

ROUTES = """
[agents.reception]
agent = "support.handing_puppet:reception"

[agents.billing]
agent = "support.handing_puppet:billing"

[[routes]]
number = "*"
agent = "reception"
"""


async def reception(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Say a word, and hand the call over."""
    if turn.kind == "started":
        yield puppet.GREETING
    elif turn.kind == "speech":
        state.slots.setdefault("handed", []).append(turn.turn_id)
        yield "One moment. "
        yield HandOff("billing", note=turn.text)


async def billing(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Do as the note says, or the caller."""
    said = turn.model_copy(update={"kind": "speech"}) if turn.kind == "handed_off" else turn
    async for part in puppet.reply(said, state):
        yield part
