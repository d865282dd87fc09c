"""What a relay is told when the language, the voice or the agent changes during a call."""

import json
import logging
from typing import Any
from xml.etree import ElementTree

import pytest
from support.ingress import CALL
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.actions import HandOff, Play, SetLanguage, SetVoice
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.dispatch.hub import Pending
from orchestrator.routes.voice_profile import VoiceProfile
from web.twilio.language import Languages
from web.twilio.relay.connect import connect
from web.twilio.relay.playout import Playout
from web.twilio.relay.relay_voice import RelayVoice
from web.twilio.relay.spoken_reply import SpokenReply
from web.voices.provider_voices import ProviderVoices
from web.voices.twilio import TwilioSpeech

VOICES = ProviderVoices(
    TwilioSpeech(),
    {
        "": VoiceProfile(),
        "reception": VoiceProfile(language="en-US", voice="Polly.Joanna"),
        "billing": VoiceProfile(language="sv-SE", voice="Polly.Elin"),
        "sales": VoiceProfile(language="en-US", voice="Polly.Amy"),
    },
)
TO_SWEDISH = {"type": "language", "ttsLanguage": "sv-SE", "transcriptionLanguage": "sv-SE"}
TO_ENGLISH = {"type": "language", "ttsLanguage": "en-US", "transcriptionLanguage": "en-US"}


@pytest.fixture
def voice() -> RelayVoice:
    return RelayVoice(Languages(agent="reception", voices=VOICES), "CA1")


def reply(said: str = "", heard: str = "") -> SpokenReply:
    return SpokenReply("t1", Pending("CA1", "t1"), said=said, heard=heard)


def parsed(frame: str | None) -> Any:
    return json.loads(frame) if frame else None


async def test_a_hand_off_changes_the_language_with_the_frame_that_is_known(voice):
    assert parsed(voice.frame(HandOff("billing"), reply())) == TO_SWEDISH
    assert parsed(voice.frame(HandOff("reception"), reply())) == TO_ENGLISH


async def test_a_hand_off_in_the_same_language_needs_no_frame_but_a_word_in_the_log(voice, caplog):
    with caplog.at_level(logging.WARNING):
        assert voice.frame(HandOff("sales"), reply()) is None
        assert voice.frame(SetVoice("Polly.Amy"), reply()) is None
    (record,) = caplog.records
    assert (record.action, record.call_sid) == ("voice.not_changed", "CA1")
    assert "the voice of the agent sales" in record.getMessage()


async def test_a_voice_alone_is_left_out_with_one_warning(voice, caplog):
    with caplog.at_level(logging.WARNING):
        assert [voice.frame(SetVoice(name), reply()) for name in ("Polly.Amy", "Polly.Brian")] == [None, None]
    assert [record.action for record in caplog.records] == ["voice.not_changed"]


async def test_other_actions_are_carried_out_as_ever(voice):
    assert parsed(voice.frame(SetLanguage(speech="fi-FI"), reply())) == {"type": "language", "ttsLanguage": "fi-FI"}
    assert parsed(voice.frame(Play("https://example.com/a.mp3"), reply()))["type"] == "play"


@pytest.mark.parametrize(
    ("heard", "due"), [("One", TO_ENGLISH), ("One moment. ", TO_ENGLISH), ("One moment. Hej", None)]
)
async def test_a_hand_off_of_which_the_caller_heard_no_word_is_taken_back(voice, heard, due):
    spoken = reply("One moment. ")
    voice.frame(HandOff("billing"), spoken)
    spoken.said, spoken.heard = "One moment. Hej!", heard
    voice.cut_off(spoken)
    assert parsed(voice.take_due()) == due
    assert voice.take_due() is None


async def test_a_hand_off_that_failed_is_taken_back(voice):
    spoken = reply("One moment. ")
    voice.frame(HandOff("billing"), spoken)
    voice.finished(spoken, Reply(text="One moment. Sorry."))
    assert parsed(voice.take_due()) == TO_ENGLISH
    voice.frame(HandOff("billing"), spoken)
    spoken.said = "One moment. "
    voice.finished(spoken, Reply(text="One moment. ", actions=[HandOff("billing")]))
    assert voice.take_due() is None, "the second agent has the call, and said nothing"


async def test_a_hand_off_whose_words_were_not_sent_any_more_is_taken_back(voice):
    spoken = reply("One moment. ")
    voice.frame(HandOff("billing"), spoken)
    voice.finished(spoken, Reply(text="One moment. Hej!", actions=[HandOff("billing", at=12)]))
    assert parsed(voice.take_due()) == TO_ENGLISH


async def test_a_session_of_a_known_call_continues_in_its_language(voice):
    assert parsed(voice.resume([HandOff("billing")])) == TO_SWEDISH
    begun = RelayVoice(Languages(agent="billing", voices=VOICES), "CA1")
    assert begun.resume([SetLanguage(speech="fi-FI"), HandOff("billing")]) is None, "its document says so already"
    plain = RelayVoice()
    assert plain.resume([]) is None
    assert parsed(plain.resume([SetLanguage(speech="sv-SE"), SetLanguage(speech="multi")])) == {
        "type": "language", "ttsLanguage": "multi"
    }  # fmt: skip


def test_the_document_names_the_agent_for_the_session():
    plain = connect("https://h", ticket="t", now=1)
    assert 'name="agent"' not in plain
    named = connect("https://h", ticket="t", now=1, agent="billing", voices=VOICES)
    assert '<Parameter name="agent" value="billing" />' in named
    assert '<Language code="sv-SE" ttsProvider="Amazon" voice="Elin" />' in named
    assert named.replace('<Parameter name="agent" value="billing" />', "") != plain


class Line:
    """Records what is sent: the language, or the words."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, *frames: str) -> None:
        for frame in map(json.loads, frames):
            if said := frame.get("ttsLanguage") or frame.get("token"):
                self.sent.append(said)


def settled(turn_id: str, text: str, *actions: Any, outcome: Any = "replied") -> SpokenReply:
    pending = Pending("CA1", turn_id)
    reply = Reply(text=text, actions=list(actions))
    pending.settle(TurnResult(call_sid="CA1", turn_id=turn_id, outcome=outcome, reply=reply))
    return SpokenReply(turn_id, pending)


@pytest.mark.parametrize(("heard", "then"), [("One.", ["en-US", "Yes?"]), ("Hej", ["Yes?"])])
async def test_after_an_interruption_the_agent_that_keeps_the_call_is_heard(voice, heard, then):
    line, ignore = Line(), lambda *_: None
    playout = Playout(line, replace=ignore, on_result=ignore, on_error=ignore, stall_seconds=60, voice=voice)
    playout.enqueue(settled("t1", "One. Hej då.", HandOff("billing", at=5)))
    await wait_until(lambda: not playout.is_speaking, "the reply was sent")
    assert line.sent == ["One. ", "sv-SE", "Hej då."]
    if heard == "Hej":
        playout.speech_begun()
        playout.clock.utterance_spoken()
    playout.interrupt(heard)
    playout.enqueue(settled("t2", "Yes?"))
    await wait_until(lambda: not playout.is_speaking, "the next reply was sent")
    assert line.sent[3:] == then
    await playout.close()


async def test_a_hand_off_that_the_result_does_not_have_is_taken_back_before_the_next_words(voice):
    line, ignore = Line(), lambda *_: None
    playout = Playout(line, replace=ignore, on_result=ignore, on_error=ignore, stall_seconds=60, voice=voice)
    failed = settled("t1", "One. Sorry.", outcome="failed")
    voice.frame(HandOff("billing"), failed)
    playout.enqueue(failed)
    playout.enqueue(settled("t2", "Yes?"))
    await wait_until(lambda: not playout.is_speaking, "both were sent")
    assert line.sent == ["One. Sorry.", "en-US", "Yes?"]
    await playout.close()


async def test_a_voice_that_is_chosen_during_a_session_sends_no_frame(start_ingress, caplog):
    async def agent(turn, state):
        yield SetVoice("Polly.Amy")
        yield "Hello."

    async with start_ingress(agent=agent) as ingress, relay_socket(ingress.url) as caller:
        with caplog.at_level(logging.WARNING):
            await caller.setup(CALL)
            assert await caller.reply() == "Hello."
            await caller.prompt("again")
            assert await caller.reply() == "Hello."
    assert [r.action for r in caplog.records if getattr(r, "action", "").startswith("voice")] == ["voice.not_changed"]


ROUTES = """
[agents.reception]
agent = "hand_off_agents:reception"
language = "en-US"
voice = "Polly.Joanna"
[agents.billing]
agent = "hand_off_agents:billing"
language = "sv-SE"
voice = "Polly.Elin"
[[routes]]
number = "+15551234567"
agent = "reception"
"""
AGENTS = """
from orchestrator import HandOff

async def reception(turn, state):
    if turn.kind == "handed_off":
        return
    yield "Hello. " if turn.kind == "started" else "One moment. "
    if turn.kind == "speech":
        yield HandOff("billing")

async def billing(turn, state):
    if turn.text == "back":
        yield HandOff("reception")
    else:
        yield "Hej!"
"""


async def test_a_call_is_handed_to_another_language_and_back(start_ingress, tmp_path, monkeypatch):
    (tmp_path / "hand_off_agents.py").write_text(AGENTS)
    (tmp_path / "routes.toml").write_text(ROUTES)
    monkeypatch.syspath_prepend(tmp_path)
    async with (
        start_ingress(voice_channel="relay", routes=str(tmp_path / "routes.toml")) as ingress,
        relay_socket(ingress.url) as caller,
    ):
        begun = await ingress.post("/twilio/voice", CallStatus="ringing", To="+15551234567")
        document = ElementTree.fromstring(begun.text)
        parameters = {p.get("name"): p.get("value") for p in document.iter("Parameter")}
        assert parameters["agent"] == "reception"
        await caller.setup(CALL, ticket=parameters["ticket"], customParameters=parameters, to="+15551234567")
        assert await caller.reply() == "Hello. "
        await caller.prompt("my bill")
        assert await caller.reply() == "One moment. "
        assert await caller.frame() == TO_SWEDISH
        assert await caller.reply() == "Hej!"
        await caller.prompt("back")
        assert await caller.frame() == TO_ENGLISH
        assert await caller.reply() == "", "nobody said a word, and the caller may speak"
        assert (await ingress.state()).agent == "reception"


async def test_a_session_that_is_opened_again_begins_with_the_voice_of_who_has_the_call(
    start_ingress, tmp_path, monkeypatch
):
    (tmp_path / "hand_off_agents.py").write_text(AGENTS)
    (tmp_path / "routes.toml").write_text(ROUTES)
    monkeypatch.syspath_prepend(tmp_path)
    async with start_ingress(voice_channel="relay", routes=str(tmp_path / "routes.toml")) as ingress:
        begun = await ingress.twiml("/twilio/voice", CallStatus="ringing", To="+15551234567")
        async with relay_socket(ingress.url) as caller:
            parameters = {p.get("name"): p.get("value") for p in begun.iter("Parameter")}
            await caller.setup(CALL, ticket=parameters["ticket"], customParameters=parameters, to="+15551234567")
            assert await caller.reply() == "Hello. "
            await caller.prompt("my bill")
            assert await caller.reply() == "One moment. "
            assert await caller.frame() == TO_SWEDISH
            assert await caller.reply() == "Hej!"
            await caller.send("info", name="agentSpeaking", value="on")
        lost = {"SessionStatus": "failed", "SessionDuration": "60", "To": "+15551234567"}
        again = await ingress.twiml(begun.find("Connect").get("action"), **lost)
        relay = again.find("Connect/ConversationRelay")
        assert (relay.get("language"), relay.get("voice")) == ("sv-SE", "Elin")
        parameters = {p.get("name"): p.get("value") for p in again.iter("Parameter")}
        assert parameters["agent"] == "billing"
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", ticket=parameters["ticket"], customParameters=parameters, to="+15551234567")
            await caller.prompt("tack")
            while (frame := await caller.frame())["type"] != "text" or frame["token"] != "Hej!":
                assert frame["type"] == "text", "its document says the language"
