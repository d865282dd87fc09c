"""Who speaks, as the caller learns it from the documents."""

from support.calls import hold

from orchestrator.provider_simulator import Event, PhoneLine, Said, SpeakerChanged
from orchestrator.provider_simulator.speakers import agent_after, with_speakers
from orchestrator.provider_simulator.twiml import Gather, Say, parse

JOANNA, ELIN = 'voice="Polly.Joanna" language="en-US"', 'voice="Polly.Elin" language="sv-SE"'


def ask(number: int, says: str, agent: str = "") -> str:
    query = f"?agent={agent}" if agent else ""
    return f'<Gather input="speech" action="/turn/{number}{query}" actionOnEmptyResult="true">{says}</Gather>'


def heard(events: list[Event]) -> list[tuple[str, ...]]:
    shown = (event for event in events if isinstance(event, Said | SpeakerChanged))
    return [
        (event.agent, event.voice, event.language) if isinstance(event, SpeakerChanged) else (event.text,)
        for event in shown
    ]


async def test_the_caller_hears_who_speaks_and_when_another_agent_begins(serve) -> None:
    server = await serve(
        {
            "/twilio/voice": ask(1, f"<Say {JOANNA}>Hello.</Say>", "reception"),
            "/turn/1": ask(2, f"<Say {JOANNA}>One moment.</Say><Say {ELIN}>Hej!</Say>", "billing"),
            "/turn/2": f"<Say {ELIN}>Hej då.</Say><Hangup/>",
        }
    )
    events = await hold(PhoneLine(server.url), "billing please", "tack")
    assert heard(events) == [
        ("reception", "Polly.Joanna", "en-US"), ("Hello.",), ("One moment.",),
        ("billing", "Polly.Elin", "sv-SE"), ("Hej!",), ("Hej då.",),
    ]  # fmt: skip


async def test_without_voices_and_names_nothing_is_told(serve) -> None:
    server = await serve({"/twilio/voice": ask(1, '<Say language="sv-SE">Hej.</Say>'), "/turn/1": "<Say>Hi.</Say>"})
    events = await hold(PhoneLine(server.url), "hej")
    assert heard(events) == [("Hej.",), ("Hi.",)]


def test_with_one_voice_the_second_agent_has_said_the_last_words() -> None:
    verbs = parse(f"<Response>{ask(1, '<Say>A.</Say><Say>B.</Say><Say>C.</Say>', 'billing')}</Response>")
    assert agent_after(verbs) == "billing"
    (gather,) = with_speakers(verbs, "reception", "billing")
    assert isinstance(gather, Gather)
    assert [prompt.agent for prompt in gather.prompts if isinstance(prompt, Say)] == [
        "reception",
        "reception",
        "billing",
    ]


def test_a_document_that_names_nobody_changes_nobody() -> None:
    verbs = parse("<Response><Say>One moment.</Say><Redirect>/twilio/turn/1/wait</Redirect></Response>")
    assert agent_after(verbs) == ""
    assert with_speakers(verbs, "reception", "reception")[0] == Say("One moment.")
