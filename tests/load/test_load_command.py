"""`voiceagent load`: many callers, what they tell of their calls, and what the audit finds."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, Response
from support.ingress import TOKEN, started_ingress
from support.servers import free_port
from support.terminal import CTRL_C, at_a_terminal, run_script
from support.twiml_server import serve_twiml
from support.waiting import wait_until

from orchestrator.conversation.actions import Gather, HangUp
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.load.arrivals import pauses
from orchestrator.load.audit import Auditor, Findings
from orchestrator.load.callers import Server, kind_of
from orchestrator.load.results import CallNote, TurnNote

pytestmark = pytest.mark.processes


async def load(tmp_path: Path, url: str, *arguments: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the figures of a load."""
    code, output, errors = await run_script("load", "--url", url, "--json", *arguments, cwd=tmp_path, settings=settings)
    assert "Traceback" not in errors
    return code, json.loads(output)


@pytest.mark.parametrize("arrival", ["burst", "ramp", "poisson"])
@pytest.mark.parametrize(("channel", "greetings"), [("gather", 1), ("api", 0)])
async def test_every_turn_is_answered_and_found_in_the_state(
    tmp_path: Path, server_url: str, channel: str, greetings: int, arrival: str
) -> None:
    shape = ("--calls", "5", "--turns", "3", "--channel", channel, "--arrival", arrival, "--rate", "50")
    code, figures = await load(tmp_path, server_url, *shape)
    assert code == 0
    assert (figures["calls"], figures["turns_answered"], figures["errors"]) == (5, 5 * (3 + greetings), {})
    audit = figures["audit"]
    assert (audit["calls"], audit["turns"], audit["lost"], audit["doubled"]) == (5, 15, 0, 0)
    latency = figures["latency_seconds"]
    assert ("greeting" in latency) is bool(greetings)
    assert 0 < latency["first words"]["p50"] <= latency["whole answer"]["max"]


@pytest.mark.parametrize("pace", ["0", "200"])
async def test_callers_on_a_relay_interrupt_and_the_state_keeps_what_they_heard(
    tmp_path: Path, relay_url: str, pace: str
) -> None:
    shape = ("--calls", "5", "--turns", "6", "--channel", "relay", "--interrupt", "0.4", "--pace", pace)
    code, figures = await load(tmp_path, relay_url, *shape)
    audit = figures["audit"]
    assert (code, figures["errors"], audit["examples"]) == (0, {}, [])
    assert (audit["calls"], audit["turns"]) == (5, 30)
    assert (audit["lost"], audit["doubled"], audit["misheard"]) == (0, 0, 0)
    assert 0 < audit["cut_off"] < 30
    assert figures["turns_answered"] == 35 - audit["cut_off"]


async def test_a_server_that_speaks_no_relay_is_told_from_one_that_does(tmp_path: Path, server_url: str) -> None:
    code, figures = await load(tmp_path, server_url, "--calls", "2", "--channel", "relay")
    assert (code, list(figures["errors"])) == (1, ["The server talks otherwise: start it with VOICE_CHANNEL=relay."])


async def test_calls_end_with_the_load(tmp_path: Path, server_url: str) -> None:
    for channel in ("gather", "api"):
        await load(tmp_path, server_url, "--calls", "3", "--turns", "1", "--channel", channel)
    async with httpx.AsyncClient(timeout=60) as client:

        async def live() -> int:
            return int((await client.get(f"{server_url}/calls")).json()["count"])

        await wait_until(lambda: _is(live, 0), "no call is live")


async def _is(counted: Any, number: int) -> bool:
    return bool(await counted() == number)


async def test_a_person_gets_a_table(tmp_path: Path, server_url: str) -> None:
    code, output, _ = await run_script("load", "--url", server_url, "--calls", "2", "--turns", "2", cwd=tmp_path)
    assert code == 0
    first, *_ = lines = output.splitlines()
    assert first.startswith("2 calls, 6 turns answered in ")
    assert [line.split("  ")[0] for line in lines[2:6]] == ["ms", "greeting", "first words", "whole answer"]
    assert lines[-1] == "Audit of 2 calls, 4 turns: 0 lost, 0 doubled."


@pytest.mark.parametrize("channel", ["gather", "api"])
async def test_an_agent_that_hangs_up_early_is_no_error(tmp_path: Path, channel: str) -> None:
    async def curt(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Goodbye."
        if turn.kind == "speech":
            yield HangUp()

    async with started_ingress(agent=curt) as ingress:
        code, figures = await load(tmp_path, ingress.url, "--calls", "2", "--channel", channel, TWILIO_AUTH_TOKEN=TOKEN)
    assert code == 0
    assert (figures["ended_by_agent"], figures["errors"], figures["turns_unanswered"]) == (2, {}, 0)


@pytest.mark.parametrize("channel", ["gather", "relay", "api"])
async def test_callers_answer_sensitive_questions(tmp_path: Path, channel: str) -> None:
    async def cashier(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Thank you. Your next number?"
        yield Gather(sensitive=True)

    voice_channel = "relay" if channel == "relay" else "gather"
    async with started_ingress(agent=cashier, voice_channel=voice_channel) as ingress:
        shape = ("--calls", "2", "--turns", "3", "--channel", channel)
        code, figures = await load(tmp_path, ingress.url, *shape, TWILIO_AUTH_TOKEN=TOKEN)
    assert (code, figures["audit"]["lost"], figures["audit"]["turns"]) == (0, 0, 6)
    words = [turn for turn in ingress.turns if turn.has_words]
    assert len(words) == 6
    assert sum(turn.sensitive for turn in words) == (4 if channel == "api" else 6)


async def test_turns_that_failed_are_told(tmp_path: Path) -> None:
    async def broken(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            raise ValueError("broken on purpose")
        yield "Hello."

    async with started_ingress(agent=broken) as ingress:
        _, figures = await load(tmp_path, ingress.url, "--calls", "1", "--turns", "2", TWILIO_AUTH_TOKEN=TOKEN)
    assert figures["audit"]["outcomes"] == {"failed": 2}


async def test_calls_that_nobody_answers_are_told_by_kind(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for channel in ("gather", "api"):
        code, figures = await load(tmp_path, url, "--calls", "2", "--channel", channel)
        assert code == 1
        assert figures["errors"] == {f"Nothing answers at {url}.": 2}


async def test_without_a_key_to_the_api_the_audit_says_so(tmp_path: Path) -> None:
    async with started_ingress(api_key="secret") as ingress:
        code, figures = await load(tmp_path, ingress.url, "--calls", "1", TWILIO_AUTH_TOKEN=TOKEN)
        assert (code, "API_KEY" in figures["audit"]["impossible"]) == (0, True)
        _, figures = await load(tmp_path, ingress.url, "--calls", "1", TWILIO_AUTH_TOKEN=TOKEN, API_KEY="secret")
        assert (figures["audit"]["impossible"], figures["audit"]["turns"]) == ("", 5)


async def test_ctrl_c_hangs_up_and_prints_what_there_is(tmp_path: Path, server_url: str) -> None:
    arguments = ("load", "--url", server_url, "--calls", "1000", "--turns", "1000", "--rate", "5", "--think", "0.1")
    async with at_a_terminal(*arguments, cwd=tmp_path) as running:
        await running.shows("live, ")
        await running.shows(" turns (")
        running.type(CTRL_C)
        assert await running.exit_code() == 130
    assert "Hanging up." in running.text
    assert "(interrupted)" in running.text
    assert "0 lost, 0 doubled." in running.text


async def audited(call: CallNote, *answers: Response) -> Findings:
    async with serve_twiml({f"/calls/{call.call_sid}": answers[0]}) as server, httpx.AsyncClient(timeout=60) as client:
        return await Auditor(Server(server.url, client), forget=False).audit([call])


def note(*words: str) -> CallNote:
    return CallNote("CA1", [TurnNote(text, 0.1, 0.2) for text in words])


def kept(*words: str, reply: str = "") -> Response:
    turns = [Turn(turn_id=f"turn-{i}", call_sid="CA1", kind="speech", text=text) for i, text in enumerate(words)]
    records = [TurnRecord.of(turn, "replied", Reply(text=reply)) for turn in turns]
    state = ConversationState(call_sid="CA1", turns=records)
    return Response(state.model_dump_json(), media_type="application/json")


async def test_an_answered_turn_that_is_not_in_the_state_is_lost() -> None:
    found = await audited(note("one", "two", "three"), kept("one", "three"))
    assert (found.lost, found.doubled, found.examples) == (1, 0, ["CA1: 1 turns lost"])


@pytest.mark.parametrize(("hidden", "lost"), [(2, 0), (1, 1), (0, 2)])
async def test_a_sensitive_turn_is_not_lost_although_its_words_are_kept_nowhere(hidden: int, lost: int) -> None:
    found = await audited(note("one", "two", "three"), kept("one", *[HIDDEN] * hidden))
    assert (found.lost, found.doubled) == (lost, 0)


async def test_a_turn_that_is_in_the_state_twice_is_doubled() -> None:
    found = await audited(note("one", "two"), kept("one", "two", "two"))
    assert (found.lost, found.doubled) == (0, 1)


async def test_turns_in_another_order_than_they_were_said_are_reordered() -> None:
    found = await audited(note("one", "two", "three"), kept("two", "one", "three"))
    assert (found.lost, found.doubled, found.reordered) == (0, 0, 1)


@pytest.mark.parametrize(
    ("heard", "wrong"),
    [("You said one.", 0), ("A moment, please. You  said\none.", 0), ("You said two.", 1), ("You said", 1), ("", 0)],
)
async def test_an_answer_that_was_heard_otherwise_than_it_is_kept_is_wrong(heard: str, wrong: int) -> None:
    call = note("one")
    call.turns[0].answer = heard
    found = await audited(call, kept("one", reply="You said one."))
    assert (found.lost, found.wrong) == (0, wrong)


async def test_an_answer_that_the_caller_cut_off_is_not_compared_as_a_whole() -> None:
    call = note("one")
    call.turns[0].answer, call.turns[0].heard = "You s", "You s"
    assert (await audited(call, kept("one", reply="You said one."))).wrong == 0


async def test_an_answer_that_was_cut_off_elsewhere_than_the_state_says_is_misheard() -> None:
    call = note("one", "two")
    call.turns[0].answered, call.turns[0].heard = None, "You s"
    call.cut_off.append(call.turns[0])
    found = await audited(call, kept("one", "two"))
    assert (found.lost, found.cut_off, found.misheard) == (0, 1, 1)


async def test_with_the_call_all_its_turns_are_lost() -> None:
    found = await audited(note("one", "two"), JSONResponse({"error": "no such call"}, 404))
    assert found.lost == 2


async def test_an_unanswered_turn_is_not_called_lost() -> None:
    call = note("one", "two")
    call.turns[1].answered = None
    found = await audited(call, kept("one"))
    assert (found.lost, call.unanswered) == (0, 1)


def test_arrivals_keep_their_rate() -> None:
    assert sum(pauses("burst", 100, 10)) == 0
    assert sum(pauses("ramp", 101, 10)) == pytest.approx(10)
    random = list(pauses("poisson", 10_000, 10))
    assert sum(random) == pytest.approx(1000, rel=0.05)
    assert len(set(random)) > 9000


def test_errors_are_told_apart_by_kind_and_not_by_number() -> None:
    one, other = (kind_of(f"POST http://10.0.0.1:80/twilio/turn/{n} answered 500 Oh.") for n in (1, 22))
    assert one == other == "POST /twilio/turn/… answered 500 Oh."
