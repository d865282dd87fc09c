"""`voiceagent calls`: what it shows of the live calls, and of one."""

import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response
from support.ingress import started_ingress
from support.terminal import run_script
from support.twiml_server import serve_twiml

from orchestrator.cli.colors import Colors, TerminalPreferences
from orchestrator.cli.turn_details import waterfall
from orchestrator.clock import utc_now
from orchestrator.conversation.actions import (
    Action,
    CancelActivity,
    CancelTimer,
    HandOff,
    HangUp,
    SendMessage,
    SetTimer,
    StartActivity,
    Transfer,
)
from orchestrator.conversation.actions import Record as RecordMessage
from orchestrator.conversation.faults import Fault
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import Activity, ConversationState, EndRecord, Timer, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind

pytestmark = pytest.mark.processes


def record(kind: TurnKind, reply: Reply, **turn: str) -> TurnRecord:
    return TurnRecord.of(Turn(turn_id=kind, call_sid="CA1", kind=kind, **turn), "replied", reply)


async def test_a_call_is_shown_as_it_was_spoken(tmp_path: Path) -> None:
    greeting = record("started", Reply(text="Good day, how can I help?"))
    greeting.heard = "Good day,"
    state = ConversationState(
        call_sid="CA1",
        from_number="+15550001111",
        slots={"name": "Ada"},
        turns=[
            greeting,
            record("speech", Reply(text="Your number?"), text="An appointment"),
            record("keys", Reply(), text="12", digits="12"),
            record("silence", Reply(text="One moment.", actions=[Transfer("+15550009999"), HangUp()])),
        ],
        ended=EndRecord(status="completed"),
    )
    state.turns[2].outcome = "timed_out"
    answer = Response(state.model_dump_json(), media_type="application/json")
    async with serve_twiml({"/calls/CA1": answer}) as server:
        code, output, errors = await run_script("calls", "CA1", "--url", server.url, cwd=tmp_path)
    assert (code, errors) == (0, "")
    assert output.splitlines()[2:] == [
        "agent › Good day,",
        "        (cut off here)",
        "you   › An appointment",
        "agent › Your number?",
        "you   › #12",
        "        (timed out)",
        "you   › (silence)",
        "agent › One moment.",
        "        (rings +15550009999)",
        "        (hung up)",
        "",
        "name: Ada",
        "The call ended: completed.",
    ]


async def test_what_no_words_of_the_caller_began_is_shown(tmp_path: Path) -> None:
    def own(kind: TurnKind, text: str = "", actions: tuple[Action, ...] = (), **data: object) -> TurnRecord:
        turn = Turn(turn_id=f"~{kind}-{text}", call_sid="CA1", kind=kind, text=text, data=data)
        return TurnRecord.of(turn, "replied", Reply(text=f"After {kind}.", actions=list(actions)))

    turns = [
        own("signal", "late", (StartActivity("m:look_up"), SetTimer("silence", 30))),
        own("activity", "look_up", (CancelTimer("silence"),), result=[1]),
        own("activity", "pay", error="TimeoutError"),
        own("timer", "silence", (CancelActivity("look_up"), SendMessage("+15550009999", "See you."))),
        own("transferred", "no-answer", (RecordMessage(),), to="+15550009999", seconds=0),
        own("recorded", url="https://x/RE1", seconds=4),
        own("recorded", url="", seconds=0),
    ]
    answer = Response(ConversationState(call_sid="CA1", turns=turns).model_dump_json(), media_type="application/json")
    async with serve_twiml({"/calls/CA1": answer}) as server:
        _, output, _ = await run_script("calls", "CA1", "--url", server.url, cwd=tmp_path)
    assert [line.strip() for line in output.splitlines()[2:-2]] == [
        "(signal: late)", "agent › After signal.", "(starts look_up)", "(timer silence in 30 s)",
        "(look_up is done)", "agent › After activity.", "(no timer silence any more)",
        "(pay has failed: TimeoutError)", "agent › After activity.",
        "(timer: silence)", "agent › After timer.", "(cancels look_up)", "[text message to +15550009999: See you.]",
        "(back from +15550009999: no-answer)", "agent › After transferred.", "(records a message)",
        "(message of 4 s: https://x/RE1)", "agent › After recorded.",
        "(nothing recorded)", "agent › After recorded.",
    ]  # fmt: skip


async def test_whose_call_it_is_and_who_gave_it_to_whom_are_shown(tmp_path: Path) -> None:
    state = ConversationState(
        call_sid="CA1", agent="billing", tenant="north", worker_version="v2",
        turns=[record("speech", Reply(text="One moment. Billing here.", actions=[HandOff("billing")]), text="A bill")],
    )  # fmt: skip
    answer = Response(state.model_dump_json(), media_type="application/json")
    async with serve_twiml({"/calls/CA1": answer}) as server:
        code, output, errors = await run_script("calls", "CA1", "--url", server.url, cwd=tmp_path)
    assert (code, errors) == (0, "")
    head, _, *lines = output.splitlines()
    assert head.endswith(" · billing · north · v2")
    assert lines[:3] == ["you   › A bill", "agent › One moment. Billing here.", "        (handed to billing)"]


async def test_when_each_turn_reached_its_stages_is_shown_on_demand(tmp_path: Path) -> None:
    turns = [record("started", Reply(text="Good day.")), record("speech", Reply(text="Yes."), text="Hello")]
    turns[0].timings.update(submitted=0.4, first_token=812.0)
    answer = Response(ConversationState(call_sid="CA1", turns=turns).model_dump_json(), media_type="application/json")
    async with serve_twiml({"/calls/CA1": answer}) as server:
        code, output, errors = await run_script("calls", "CA1", "--timings", "--url", server.url, cwd=tmp_path)
    assert (code, errors) == (0, "")
    assert output.splitlines()[2:6] == [
        "agent › Good day.",
        "        (ms: submitted 0.4 · first token 812)",
        "you   › Hello",
        "agent › Yes.",
    ]


async def test_where_there_are_no_calls_it_says_how_to_make_one(tmp_path: Path) -> None:
    async with serve_twiml({"/calls": JSONResponse({"calls": [], "count": 0})}) as server:
        _, output, _ = await run_script("calls", server.url, cwd=tmp_path)
    assert output == "No live calls. Make one with `voiceagent call`.\n"


async def test_live_calls_are_listed(tmp_path: Path) -> None:
    call = {
        "call_sid": "CA1", "status": "active", "channel": "gather", "direction": "inbound", "phase": "",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "turns": 3,
    }  # fmt: skip
    listing = JSONResponse({"calls": [call], "count": 2})
    async with serve_twiml({"/calls": listing}) as server:
        code, output, _ = await run_script("calls", server.url, cwd=tmp_path, settings={"API_KEY": "secret"})
        assert server.webhooks[0].headers["authorization"] == "Bearer secret"
    assert code == 0
    heading, row, more = output.splitlines()
    assert heading.split() == ["CALL", "SINCE", "TURNS", "CHANNEL", "PHASE"]
    assert [row.split()[i] for i in (0, 2, 3, 4)] == ["CA1", "3", "gather", "-"]
    assert more == "… and 1 more"


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ('{"error": "Busy."}', 503, "voiceagent: Busy."),
        ("<html/>", 502, "answered 502. Is that a VoiceAgent server?"),
    ],
)
async def test_a_refused_look_at_the_calls_is_told(tmp_path: Path, body: str, status: int, sentence: str) -> None:
    async with serve_twiml({"/calls": Response(body, status)}) as server:
        code, _, errors = await run_script("calls", server.url, cwd=tmp_path)
    assert code == 1
    assert sentence in errors


async def test_what_a_caller_sent_has_no_power_over_the_terminal(tmp_path: Path) -> None:
    state = ConversationState(
        call_sid="CA1",
        from_number="+1\x1b]0;owned\x07",
        slots={"name": "\x9b2J"},
        turns=[record("speech", Reply(text="Yes\x1b[2J.\nAnd?"), text="clear\x1b[2J it")],
    )
    row = {
        "call_sid": "CA1",
        "created_at": state.created_at.isoformat(),
        "turns": 1,
        "channel": "api",
        "phase": "\x1b[H",
    }
    answers = {
        "/calls/CA1": Response(state.model_dump_json(), media_type="application/json"),
        "/calls": JSONResponse({"calls": [row], "count": 1}),
    }
    async with serve_twiml(answers) as server:
        _, shown, _ = await run_script("calls", "CA1", "--url", server.url, cwd=tmp_path)
        _, listed, _ = await run_script("calls", server.url, cwd=tmp_path)
    assert not [letter for letter in shown + listed if not letter.isprintable() and letter != "\n"]
    assert r"clear\x1b[2J it" in shown
    assert r"Yes\x1b[2J. And?" in shown


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {},
            "requires a key, and none is set here. Set API_KEY to the server's (`voiceagent dev` shows its own).",
        ),
        ({"API_KEY": "hush-hush"}, "has another key than the API_KEY that is set here. Set it to the server's."),
    ],
)
async def test_no_key_and_a_wrong_one_are_told_apart(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    async with started_ingress(api_key="the-key") as ingress:
        code, _, errors = await run_script("calls", "--url", ingress.url, cwd=tmp_path, settings=settings)
        code_of_one, _, errors_of_one = await run_script(
            "calls", "CA1", "--url", ingress.url, cwd=tmp_path, settings=settings
        )
    assert code == code_of_one == 1
    assert errors == errors_of_one == f"voiceagent: {ingress.url} {says}\n"


async def test_in_full_it_says_where_the_time_went_and_what_was_survived(tmp_path: Path) -> None:
    turn = record("speech", Reply(text="Yes."), text="Hello")
    turn.timings.update(submitted=10.0, claimed=20.0, first_token=60.0, finished=70.0, committed=80.0, first_heard=70.0)
    turn.worker, turn.attempts, turn.epoch = "0f8fad5bd9cb469fa165b70867728950", 2, 7
    turn.absorbed = [Fault(fault="worker_lost", process="a" * 32, lost_ms=1240.4), Fault(fault="\x1b[2J")]
    now = utc_now()
    state = ConversationState(
        call_sid="CA1", turns=[turn],
        timers={"remind": Timer(turn_id="~timer-1", due_at=now + timedelta(hours=2, minutes=5))},
        activities={"look_up": Activity(turn_id="~a-1", function="m:look_up", started_at=now - timedelta(hours=3))},
    )  # fmt: skip
    answer = Response(state.model_dump_json(), media_type="application/json")
    async with serve_twiml({"/calls/CA1": answer}) as server:
        code, output, errors = await run_script("calls", "CA1", "--full", "--url", server.url, cwd=tmp_path)
    assert (code, errors) == (0, "")
    lines = [line.removeprefix(" " * 8) for line in output.splitlines()]
    assert lines[2:4] == ["you   › Hello", "agent › Yes."]
    facts = lines[4].split(" · ")
    assert [facts[0], *facts[3:]] == ["speech", "worker 0f8fad5bd9cb", "epoch 7", "attempt 2"]
    rows = lines[5:11]
    assert [(row[:13].strip(), row[48:].strip()) for row in rows] == [
        ("submit", "10.0 ms"), ("queue", "10.0 ms"), ("first token", "40.0 ms"), ("rest of reply", "10.0 ms"),
        ("commit", "10.0 ms"), ("first heard", "at 70.0 ms"),
    ]  # fmt: skip
    bars = [row[15:48] for row in rows[:5]]
    assert [(bar.index("━"), bar.rindex("━") + 1) for bar in bars] == [(0, 4), (4, 8), (8, 24), (24, 28), (28, 32)]
    assert rows[5][15:].index("╹") == 28
    assert lines[11:13] == ["survived worker lost of aaaaaaaaaaaa: 1,240 ms longer", "survived \\x1b[2J"]
    assert lines[-2:] == ["timer remind: in 2 h (~timer-1)", "activity look_up: runs for 3 h (m:look_up)"]


def test_a_turn_that_took_no_time_has_bars_too() -> None:
    plain = Colors(sys.stdout, TerminalPreferences(no_color="1"))
    assert [row.count("━") for row in waterfall({"submitted": 0.0, "claimed": 0.0}, plain)] == [1, 1]
    assert list(waterfall({}, plain)) == []


async def test_a_call_is_shown_in_full_by_the_name_of_one(tmp_path: Path) -> None:
    turn = record("speech", Reply(text="Yes."), text="Hello")
    turn.worker, turn.attempts = "0f8fad5bd9cb469fa165b70867728950", 2
    answer = Response(ConversationState(call_sid="CA1", turns=[turn]).model_dump_json(), media_type="application/json")
    async with serve_twiml({"/calls/CA1": answer}) as server:
        alone = await run_script("call", "CA1", "--url", server.url, cwd=tmp_path)
        assert alone == await run_script("calls", "CA1", "--full", "--url", server.url, cwd=tmp_path)
        _, printed, _ = await run_script("call", "CA1", "--json", "--url", server.url, cwd=tmp_path)
    assert alone[0] == 0
    assert "attempt 2" in alone[1]
    assert json.loads(printed)["call_sid"] == "CA1"


async def test_a_call_that_is_not_there_may_have_been_meant_as_a_server(tmp_path: Path) -> None:
    async with started_ingress() as ingress:
        code, output, errors = await run_script("call", "web", "--url", ingress.url, cwd=tmp_path)
    assert (code, output) == (1, "")
    assert errors.startswith("voiceagent: No such call")
    assert errors.endswith("Did you mean a server? Then say --url.\n")


async def test_a_call_that_is_shown_takes_nothing_of_a_telephone(tmp_path: Path) -> None:
    code, _, errors = await run_script("call", "CA1", "--from", "+15550001111", cwd=tmp_path)
    assert code == 2
    assert "CA1 is taken as a call to show, and --from is for one that you make." in errors
