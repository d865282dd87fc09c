"""Three agents on two numbers: the reception hands callers to billing and gets them back; at night nobody is there.

cd docs/examples/front_desk && ROUTES=routes.toml AGENT=front_desk:night voiceagent dev
voiceagent call --to +15551230001
"""

from collections.abc import AsyncIterator

from orchestrator import HandOff, HangUp
from orchestrator.agents.protocol import Part
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn


async def reception(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Greet, and hand whoever asks for an invoice to billing."""
    clinic = state.settings["clinic"]
    if turn.kind == "started":
        yield f"Good morning, this is the reception of {clinic}. Do you call about an appointment or an invoice?"
    elif turn.kind == "handed_off":
        yield "You are back at the reception. Is there anything else?"
    elif "invoice" in turn.text.lower():
        state.slots["invoice"] = turn.text
        yield "One moment, I connect you with billing. "
        yield HandOff("billing", note="asks about an invoice")
    elif turn.text.lower().strip(" .!") in ("no", "no, thank you", "goodbye"):
        yield "Thank you for calling. Goodbye."
        yield HangUp()
    elif turn.kind == "speech":
        yield "For an appointment, come by any morning. Is there anything else?"
    elif turn.kind == "silence":
        yield "Are you still there?"


async def billing(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Answer for invoices, and hand the caller back."""
    if turn.kind == "started":
        yield "This is billing. Which invoice is it?"
    elif turn.kind == "handed_off":
        yield "This is billing. What is the number of the invoice?"
    elif turn.kind in ("speech", "keys"):
        state.slots["number"] = turn.text
        yield f"Invoice {turn.text} is paid. "
        yield HandOff("reception")
    elif turn.kind == "silence":
        yield "The number is at the top of the page."


async def night(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Say that nobody is there."""
    yield "We are closed. Please call again in the morning."
    yield HangUp()
