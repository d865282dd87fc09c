"""`voiceagent call`: a person at a terminal, or a script, in a call with a real server."""

import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import Response
from support.servers import free_port
from support.terminal import CTRL_C, CTRL_D, VOICEAGENT, at_a_terminal, environment, in_the_background, run_script
from support.twiml_server import TwimlServer, Webhook, serve_twiml
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator.cli.call import RINGING_SECONDS, TYPING_SECONDS, playback_speed

pytestmark = pytest.mark.processes

LONG = "word " * 40


def ask(text: str, attributes: str = 'input="dtmf speech" actionOnEmptyResult="true"') -> str:
    return f'<Gather action="/turn" {attributes}><Say>{text}</Say></Gather>'


def echo(webhook: Webhook) -> str:
    said = webhook.form.get("SpeechResult") or webhook.form.get("Digits") or "nothing"
    return "<Say>Goodbye.</Say><Hangup/>" if said == "bye" else ask(f"You said {said}.")


@pytest.fixture
async def server() -> AsyncIterator[TwimlServer]:
    """A server whose agent repeats what it hears, and hangs up at `bye`."""
    async with serve_twiml({"/twilio/voice": ask("Hello!"), "/turn": echo}) as server:
        yield server


async def test_a_script_holds_a_call(server: TwimlServer, tmp_path: Path) -> None:
    code, output, errors = await run_script("call", server.url, cwd=tmp_path, script="I need help\n#12\n\nbye\n")
    assert (code, errors) == (0, "")
    assert output.splitlines()[2:] == [
        "agent › Hello!",
        "you   › I need help",
        "agent › You said I need help.",
        "you   › #12",
        "agent › You said 12.",
        "you   › (silence)",
        "agent › You said nothing.",
        "you   › bye",
        "agent › Goodbye.",
        "",
        output.splitlines()[-1],
    ]
    assert re.fullmatch(r"The agent hung up. The call took \d+ s.", output.splitlines()[-1])
    assert [form["CallStatus"] for form in server.status_callbacks()] == ["completed"]


async def test_who_speaks_and_with_which_voice_is_shown_when_it_changes(tmp_path: Path) -> None:
    def asked(agent: str, *says: str) -> str:
        return (
            f'<Gather input="speech" action="/turn?agent={agent}" actionOnEmptyResult="true">{"".join(says)}</Gather>'
        )

    joanna = '<Say voice="Polly.Joanna" language="en-US">One moment.</Say>'
    documents = {
        "/twilio/voice": asked("reception", joanna),
        "/turn": [asked("billing", joanna, "<Say>Your bill?</Say>"), "<Say>Goodbye.</Say><Hangup/>"],
    }
    async with serve_twiml(documents) as server:
        code, output, _ = await run_script("call", server.url, cwd=tmp_path, script="the bill\n4711\n")
    assert code == 0
    assert [line.strip() for line in output.splitlines()[2:-2]] == [
        "(reception · Polly.Joanna · en-US)",
        "agent › One moment.",
        "you   › the bill",
        "agent › One moment.",
        "(billing · the provider's voice)",
        "agent › Your bill?",
        "you   › 4711",
        "agent › Goodbye.",
    ]


def cashier() -> dict[str, str | list[str]]:
    """The documents of an agent that asks for a card number first."""
    asked = ask("Your card number?").replace("/turn", "/turn?sensitive=1")
    return {"/twilio/voice": asked, "/turn": [ask("Thank you. What else?"), "<Say>Goodbye.</Say><Hangup/>"]}


async def test_what_a_script_answers_to_a_sensitive_question_is_not_shown(tmp_path: Path) -> None:
    async with serve_twiml(cashier()) as server:
        code, output, _ = await run_script("call", server.url, cwd=tmp_path, script="#4242\nnothing\n")
    assert code == 0
    lines = [line for line in output.splitlines() if line.startswith("you")]
    assert lines == ["you   › •••", "you   › nothing"]
    assert server.webhooks[1].form["Digits"] == "4242"


async def test_what_a_person_types_at_a_sensitive_question_is_shown_as_dots(tmp_path: Path) -> None:
    async with serve_twiml(cashier()) as server, at_a_terminal("call", server.url, cwd=tmp_path) as terminal:
        await terminal.shows("you   › ")
        terminal.type("#42\x7f3\n")
        await terminal.shows("Thank you.")
        assert "•••\b \b•" in terminal.text
        terminal.type("nothing\n")
        await terminal.shows("Goodbye.")
        assert "#4" not in terminal.text
        assert "nothing" in terminal.text
    assert server.webhooks[1].form["Digits"] == "43"


async def test_a_script_that_ends_before_the_call_hangs_up(server: TwimlServer, tmp_path: Path) -> None:
    code, output, _ = await run_script("call", server.url, cwd=tmp_path, script="hello")
    assert code == 0
    assert "agent › You said hello." in output
    assert "You hung up." in output
    assert len(server.status_callbacks()) == 1


async def test_a_script_in_a_file_is_read_too(server: TwimlServer, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("hello\r\nbye\r\n")
    with (tmp_path / "script").open() as script, (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [*VOICEAGENT, "call", server.url], stdin=script, stdout=out, cwd=tmp_path, env=environment()
        )
        await wait_until(lambda: process.poll() is not None, "the call ends")
    assert process.returncode == 0
    assert "you   › hello\n" in (tmp_path / "out").read_text()


async def test_the_caller_and_the_call_can_be_chosen(server: TwimlServer, tmp_path: Path) -> None:
    arguments = ["--from", "+15550001111", "--to", "+15550002222", "--call-sid", "CA77"]
    await run_script("call", server.url, *arguments, cwd=tmp_path, script="bye\n")
    form = server.webhooks[0].form
    assert (form["From"], form["To"], form["CallSid"]) == ("+15550001111", "+15550002222", "CA77")


async def test_webhooks_are_signed_with_the_token_of_the_settings(server: TwimlServer, tmp_path: Path) -> None:
    settings = {"TWILIO_AUTH_TOKEN": "12345", "PUBLIC_BASE_URL": "https://voice.example.com"}
    await run_script("call", server.url, cwd=tmp_path, script="bye\n", settings=settings)
    webhook = server.webhooks[0]
    signature = webhook.headers["x-twilio-signature"]
    assert RequestValidator("12345").validate("https://voice.example.com/twilio/voice", webhook.form, signature)


async def test_words_are_not_sent_where_the_agent_takes_only_keys(tmp_path: Path) -> None:
    keys = ask("Your number?", 'numDigits="2"')
    async with serve_twiml({"/twilio/voice": keys, "/turn": echo}) as server:
        code, output, _ = await run_script("call", server.url, cwd=tmp_path, script="twelve\n#12\nbye\n")
    assert code == 0
    assert "(the agent takes only keys: type #123)" in output
    assert "agent › You said 12." in output


async def test_transfers_and_audio_are_shown(tmp_path: Path) -> None:
    verbs = "<Play>https://example.com/a.mp3</Play><Dial>+15550003333</Dial>"
    async with serve_twiml({"/twilio/voice": verbs}) as server:
        _, output, _ = await run_script("call", server.url, cwd=tmp_path)
    assert "        (audio: https://example.com/a.mp3)" in output
    assert "        (ringing +15550003333 …)" in output
    assert "        (you are connected with +15550003333)" in output


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [("no-answer", ": no-answer"), ("busy", ": busy"), ("failed", ": failed"), ("declined", " has declined")],
)
async def test_a_transfer_goes_as_the_caller_wants_it(tmp_path: Path, outcome: str, shown: str) -> None:
    dial = '<Dial><Number url="/announce">+15550003333</Number></Dial><Say>Nobody is there.</Say>'
    announce = '<Gather numDigits="1"><Say>A caller. Press 1.</Say></Gather><Hangup/>'
    async with serve_twiml({"/twilio/voice": dial, "/announce": announce}) as server:
        _, output, _ = await run_script("call", server.url, "--transfer", outcome, cwd=tmp_path)
    assert f"        (+15550003333{shown})" in output
    assert ("(+15550003333 hears: A caller. Press 1.)" in output) == (outcome == "declined")
    assert "agent › Nobody is there." in output


async def test_each_number_may_have_its_own_outcome(tmp_path: Path) -> None:
    dial = '<Dial sequential="true"><Number>+15550003333</Number><Number>+15550004444</Number></Dial>'
    options = ("--transfer", "busy", "--transfer", "+15550004444=answered")
    async with serve_twiml({"/twilio/voice": dial}) as server:
        _, output, _ = await run_script("call", server.url, *options, cwd=tmp_path)
    assert "(you are connected with +15550004444)" in output


async def test_an_unknown_outcome_is_refused(tmp_path: Path) -> None:
    code, _, errors = await run_script("call", "--transfer", "maybe", cwd=tmp_path)
    assert code == 2
    assert "'maybe' is none of answered, declined, no-answer, busy, failed" in errors


async def test_the_next_line_is_the_message_that_is_recorded(tmp_path: Path) -> None:
    record = '<Say>Leave a message.</Say><Record action="/recorded" finishOnKey="#"/>'
    async with serve_twiml({"/twilio/voice": record, "/recorded": "<Say>Thank you.</Say>"}) as server:
        _, output, _ = await run_script("call", server.url, cwd=tmp_path, script="Please call back tomorrow.\n")
    lines = [line.strip() for line in output.splitlines()]
    at = lines.index("agent › Leave a message.")
    assert lines[at + 1 : at + 5] == [
        "(beep: what you say now is recorded; # ends it)",
        "you   › Please call back tomorrow.",
        "(recorded: 2 s)",
        "agent › Thank you.",
    ]


def test_a_person_has_more_time_than_at_a_telephone_to_type() -> None:
    by_default = playback_speed(None, None, is_person=True)
    assert (by_default.answer_seconds(5), by_default.ringing_seconds(30)) == (5 + TYPING_SECONDS, RINGING_SECONDS)
    assert by_default.answer_seconds(5, said=150) == 5 + TYPING_SECONDS + 10
    as_a_telephone = playback_speed(None, True, is_person=True)
    assert (as_a_telephone.answer_seconds(5, said=150), as_a_telephone.ringing_seconds(30)) == (5, 30)
    assert playback_speed(None, False, is_person=True).answer_seconds(5) is None
    assert playback_speed(None, None, is_person=False).answer_seconds(5) is None
    assert playback_speed(None, True, is_person=False).answer_seconds(5) == 5


async def test_long_speech_is_wrapped_under_its_first_word(tmp_path: Path) -> None:
    async with serve_twiml({"/twilio/voice": f"<Say>{LONG}</Say>"}) as server:
        _, output, _ = await run_script("call", server.url, cwd=tmp_path, settings={"COLUMNS": "60"})
    lines = [line for line in output.splitlines() if "word" in line]
    assert len(lines) > 3
    assert all(len(line) <= 60 for line in lines)
    assert all(line.startswith("        word") for line in lines[1:])


async def test_where_nothing_listens_it_says_how_to_start(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, _, errors = await run_script("call", url, cwd=tmp_path, script="hello\n")
    assert (code, errors) == (1, f"Nothing answers at {url}. Start it with `make run`.\n")


async def test_a_server_that_errs_makes_the_call_fail(tmp_path: Path) -> None:
    async with serve_twiml({"/twilio/voice": Response("Bad signature.", 403)}) as server:
        code, output, errors = await run_script("call", server.url, cwd=tmp_path)
    assert code == 1
    assert "403 Forbidden: Bad signature." in errors
    assert "agent › We are sorry, an application error has occurred." in output


async def test_a_script_is_free_of_colours_and_prompts(server: TwimlServer, tmp_path: Path) -> None:
    _, output, _ = await run_script("call", server.url, cwd=tmp_path, script="bye\n")
    assert "\x1b" not in output


async def test_a_person_talks_and_hangs_up_with_ctrl_c(server: TwimlServer, tmp_path: Path) -> None:
    async with at_a_terminal("call", server.url, cwd=tmp_path) as terminal:
        await terminal.shows("Hello!")
        await terminal.shows("you   › ")
        assert "\x1b[" in terminal.text
        terminal.type("hi there\n")
        await terminal.shows("You said hi there.")
        terminal.type(CTRL_C)
        await terminal.shows("You hung up.")
        assert await terminal.exit_code() == 0
    assert [form["CallStatus"] for form in server.status_callbacks()] == ["completed"]


async def test_ctrl_d_hangs_up(server: TwimlServer, tmp_path: Path) -> None:
    async with at_a_terminal("call", server.url, cwd=tmp_path) as terminal:
        await terminal.shows("you   › ")
        terminal.type(CTRL_D)
        await terminal.shows("You hung up.")
        assert await terminal.exit_code() == 0


async def test_ctrl_c_hangs_up_while_the_server_thinks(tmp_path: Path) -> None:
    async with serve_twiml({"/twilio/voice": '<Pause length="60"/>'}) as server:
        async with at_a_terminal("call", server.url, cwd=tmp_path) as terminal:
            await wait_until(lambda: server.webhooks, "the call came in")
            terminal.type(CTRL_C)
            await terminal.shows("You hung up.")
            assert await terminal.exit_code() == 0
        assert len(server.status_callbacks()) == 1


async def test_a_person_may_be_slow_unless_timeouts_are_wanted(tmp_path: Path) -> None:
    slow = ask("Well?", 'input="speech" timeout="0"') + "<Say>Too late.</Say>"
    async with serve_twiml({"/twilio/voice": slow, "/turn": echo}) as server:
        async with at_a_terminal("call", server.url, "--no-timeouts", cwd=tmp_path) as terminal:
            await terminal.shows("you   › ")
            terminal.type("bye\n")
            await terminal.shows("Goodbye.")
        async with at_a_terminal("call", server.url, "--timeouts", cwd=tmp_path) as terminal:
            await terminal.shows("Too late.")


async def test_what_is_typed_survives_what_the_agent_says_meanwhile(server: TwimlServer, tmp_path: Path) -> None:
    async with at_a_terminal("call", server.url, cwd=tmp_path) as terminal:
        await terminal.shows("you   › ")
        terminal.type("one thing\nanother thjn")
        await terminal.shows("You said one thing.")
        await terminal.shows("another thjn")
        terminal.type("\x7f\x7fing\n")
        await terminal.shows("You said another thing.")


async def test_a_terminal_that_can_do_little_edits_lines_by_itself(server: TwimlServer, tmp_path: Path) -> None:
    async with at_a_terminal("call", server.url, cwd=tmp_path, settings={"TERM": "dumb"}) as terminal:
        await terminal.shows("you   › ")
        terminal.type("hello\n")
        await terminal.shows("You said hello.")
        assert terminal.text.count("hello") == 2, "the terminal has echoed it, and nobody else"


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
async def test_colours_are_left_out_where_they_are_not_wanted(
    server: TwimlServer, tmp_path: Path, settings: dict[str, str]
) -> None:
    async with at_a_terminal("call", server.url, cwd=tmp_path, settings=settings) as terminal:
        await terminal.shows("you   › ")
        assert "\x1b" not in terminal.text


async def test_sigterm_hangs_up_as_ctrl_c_does(tmp_path: Path) -> None:
    async with serve_twiml({"/twilio/voice": '<Pause length="60"/>'}) as server:
        async with in_the_background(*VOICEAGENT, "call", server.url, cwd=tmp_path) as call:
            await wait_until(lambda: server.webhooks, "the call came in")
            call.process.send_signal(signal.SIGTERM)
            assert await call.exit_code() == 0
        assert len(server.status_callbacks()) == 1


@pytest.mark.skipif(shutil.which("head") is None, reason="needs head")
async def test_a_reader_that_goes_away_is_no_traceback(server: TwimlServer, tmp_path: Path) -> None:
    command = " ".join([*VOICEAGENT, "call", server.url])
    errors = await wait_for_shell(f"printf 'a\\nb\\nc\\n' | {command} | head -1", tmp_path)
    assert errors == ""


async def wait_for_shell(command: str, cwd: Path) -> str:
    """What a shell command wrote to standard error."""
    with (cwd / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            command, shell=True, stdout=subprocess.DEVNULL, stderr=errors, cwd=cwd, env=environment()
        )
        await wait_until(lambda: process.poll() is not None, "the command ends")
        errors.seek(0)
        return errors.read().decode()
