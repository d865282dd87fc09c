"""`voiceagent call` where the server talks over a relay."""

from pathlib import Path

import pytest
from support.ingress import started_ingress
from support.terminal import CTRL_C, at_a_terminal, run_script

from orchestrator import Gather, HangUp, Record, Transfer

pytestmark = pytest.mark.processes

SETTINGS = {"TWILIO_AUTH_TOKEN": "12345"}


async def test_a_script_is_said_line_by_line(tmp_path: Path):
    async with started_ingress(voice_channel="relay") as ingress:
        code, output, errors = await run_script(
            "call", ingress.url, "--channel", "relay", cwd=tmp_path, script="good day\n#12\n", settings=SETTINGS
        )
    assert (code, errors) == (0, "")
    lines = [line.strip() for line in output.splitlines() if "›" in line]
    assert lines == ["agent › Hello!", "you   › good day", "agent › You said good day.", "you   › #12",
                     "agent › You said 12."]  # fmt: skip


async def test_the_voice_of_a_session_is_shown_before_its_first_words(tmp_path: Path):
    voice = {"voice": "Joanna", "tts_provider": "Amazon", "language": "en-GB"}
    async with started_ingress(voice_channel="relay", **voice) as ingress:
        _, output, _ = await run_script("call", ingress.url, cwd=tmp_path, script="good day\n", settings=SETTINGS)
    lines = [line.strip() for line in output.splitlines()[2:] if line.strip()]
    assert lines[:2] == ["(Joanna · en-GB)", "agent › Hello!"]
    assert output.count("Joanna") == 1


async def test_typing_while_the_agent_speaks_interrupts_it(tmp_path: Path):
    async with (
        started_ingress(voice_channel="relay") as ingress,
        at_a_terminal("call", ingress.url, "--pace", "40", cwd=tmp_path, settings=SETTINGS) as terminal,
    ):
        await terminal.shows("you   › ")
        terminal.type("a long story " * 100 + "\n")
        await terminal.shows("You said a long")
        terminal.type("stop\n")
        await terminal.shows("(interrupted)")
        await terminal.shows("You said stop.")
        terminal.type(CTRL_C)
        assert await terminal.exit_code() == 0
    said = [turn.text for turn in ingress.turns if turn.kind == "speech"]
    assert said[-1] == "stop"


async def cashier(turn, state):
    yield "Your card number?" if turn.kind == "started" else "Thank you."
    yield Gather(sensitive=turn.kind == "started")


async def test_what_answers_a_sensitive_question_is_not_shown(tmp_path: Path):
    async with started_ingress(agent=cashier, voice_channel="relay") as ingress:
        code, output, _ = await run_script(
            "call", ingress.url, cwd=tmp_path, script="#4242\nnothing\n", settings=SETTINGS
        )
    assert code == 0
    assert [line for line in output.splitlines() if line.startswith("you")] == ["you   › •••", "you   › nothing"]


async def test_without_the_key_of_the_api_the_answer_is_shown(tmp_path: Path):
    async with started_ingress(agent=cashier, voice_channel="relay", api_key="k" * 32) as ingress:
        code, output, errors = await run_script("call", ingress.url, cwd=tmp_path, script="#4242\n", settings=SETTINGS)
    assert (code, errors) == (0, "")
    assert "you   › #4242" in output


async def leaver(turn, state):
    if turn.kind == "started":
        yield "Do you want to leave a message?"
    elif turn.kind == "recorded":
        yield f"It has {turn.data['seconds']} seconds. "
        yield Transfer("+15550003333", then="return", announce="A caller. Press 1.", accept_key="1")
    elif turn.kind == "transferred":
        yield f"They are {turn.text}."
        yield HangUp()
    else:
        yield "Go on."
        yield Record()


async def test_a_person_leaves_a_message_and_comes_back_to_the_relay(tmp_path: Path):
    async with (
        started_ingress(agent=leaver, voice_channel="relay") as ingress,
        at_a_terminal(
            "call", ingress.url, "--pace", "0", "--transfer", "declined", cwd=tmp_path, settings=SETTINGS
        ) as terminal,
    ):
        await terminal.shows("you   › ")
        terminal.type("yes\n")
        await terminal.shows("(beep: what you say now is recorded; # ends it)")
        terminal.type("Please call me back tomorrow morning.\n")
        await terminal.shows("(recorded: 2 s)")
        await terminal.shows("It has 2 seconds.")
        await terminal.shows("(ringing +15550003333 …)")
        await terminal.shows("(+15550003333 hears: A caller. Press 1.")
        await terminal.shows("They are declined.")
        assert await terminal.exit_code() == 0


async def test_a_server_that_talks_otherwise_is_refused(tmp_path: Path):
    async with started_ingress(voice_channel="gather") as ingress:
        code, _, errors = await run_script(
            "call", ingress.url, "--channel", "relay", cwd=tmp_path, script="hello\n", settings=SETTINGS
        )
    assert code == 1
    assert "VOICE_CHANNEL=relay" in errors
