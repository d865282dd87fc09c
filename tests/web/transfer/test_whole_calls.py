"""Whole calls by the simulated provider, which rings people and records messages, over webhooks and on a relay."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import TOKEN
from support.transferring import OTHER, PERSON

from orchestrator import ConversationState, HangUp, Record, Transfer, Turn
from orchestrator.provider_simulator import (
    Asked,
    Colleague,
    ColleagueHeard,
    ColleaguePressed,
    Colleagues,
    Connected,
    Dialled,
    HungUp,
    PhoneLine,
    Problem,
    Recorded,
    Recording,
    Said,
)

CHANNELS = pytest.mark.parametrize("channel", ["gather", "relay"])


def front_desk(transfer: Transfer) -> Any:
    """An agent that connects its caller, takes a message when nobody is there, and says goodbye."""

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        match turn.kind:
            case "started":
                yield "Hello!"
            case "speech":
                yield transfer
            case "transferred" if turn.text == "completed":
                yield f"You have talked to {turn.data['to']}. Goodbye!"
                yield HangUp()
            case "transferred":
                yield f"Nobody is there: {turn.text}. Please leave a message."
                yield Record()
            case "recorded":
                yield "Thank you." if turn.data["url"] else "I heard nothing."
                yield HangUp()

    return agent


async def hold(ingress: Any, colleagues: Colleagues) -> list[Any]:
    """Hold a call whose caller asks for a person, and leaves a message if they are recorded; what they notice."""
    line = PhoneLine(ingress.url, auth_token=TOKEN, colleagues=colleagues)
    has_asked, events = False, []
    async for event in line.call():
        events.append(event)
        if isinstance(event, Recording):
            line.answer_speech("call me back")
        elif isinstance(event, Asked) and not has_asked:
            has_asked = line.answer_speech("a person please")
    assert not [event for event in events if isinstance(event, Problem)]
    return events


def heard(events: list[Any]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Said))


@CHANNELS
@pytest.mark.parametrize(("behaviour", "word"), [
    ("does-not-answer", "no-answer"), ("is-busy", "busy"), ("fails", "failed"), ("declines", "declined"),
])  # fmt: skip
async def test_a_caller_leaves_a_message_when_nobody_takes_the_call(start_ingress, channel, behaviour, word):
    agent = front_desk(Transfer((PERSON, OTHER), announce="A caller.", accept_key="1"))
    async with start_ingress(agent=agent, voice_channel=channel) as ingress:
        events = await hold(ingress, Colleagues(rest=Colleague(behaviour)))
        assert [event.to for event in events if isinstance(event, Dialled)] == [PERSON, OTHER]
        assert f"Nobody is there: {word}." in heard(events)
        assert [event for event in events if isinstance(event, Recorded)]
        assert heard(events).endswith("Thank you.")
        assert isinstance(events[-1], HungUp)


@CHANNELS
async def test_who_presses_the_key_talks_to_the_caller_who_then_returns(start_ingress, channel):
    agent = front_desk(Transfer((PERSON, OTHER), announce="A caller.", accept_key="1", then="return"))
    async with start_ingress(agent=agent, voice_channel=channel) as ingress:
        people = Colleagues({PERSON: Colleague("does-not-answer")}, rest=Colleague(keys="1", talk_seconds=0.01))
        events = await hold(ingress, people)
        assert [event for event in events if isinstance(event, ColleagueHeard | ColleaguePressed)]
        assert [event.to for event in events if isinstance(event, Connected)] == [OTHER]
        assert heard(events).endswith(f"You have talked to {OTHER}. Goodbye!")
