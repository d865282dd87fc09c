"""What a language model is told in turns that no words of the caller began, and what it may begin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, calls, says

from orchestrator.agents.host import AgentHost
from orchestrator.agents.llm.agent import FILLER
from orchestrator.agents.own_turn_text import MOST_CHARACTERS
from orchestrator.agents.reply_text import BROKE_OFF
from orchestrator.conversation.actions import HangUp, Record, SetTimer, StartActivity, Transfer
from orchestrator.conversation.turn import Turn, TurnKind

Begin = Callable[..., Any]
MODULE = '''
from orchestrator import HangUp, Record, SetTimer, StartActivity, Transfer

async def find_book(title: str) -> StartActivity:
    """Look a book up in the catalogue."""
    return StartActivity("catalogue:find", {"title": title}, name="find")

async def remind(minutes: int) -> SetTimer:
    """Be reminded."""
    return SetTimer("reminder", minutes * 60)

async def take_message() -> Record:
    """Record a message."""
    return Record()
'''
TOLD: list[tuple[TurnKind, str, dict[str, Any], str]] = [
    ("signal", "paid", {"amount": 3}, '[You are told from outside the call: paid. Its data: {"amount":3}]'),
    ("signal", "paid", {}, "[You are told from outside the call: paid.]"),
    ("timer", "reminder", {}, "[Your timer has gone off: reminder.]"),
    ("activity", "find", {"result": [1]}, "[What you have started has ended: find. Its result: [1]]"),
    ("activity", "find", {"error": "TimeoutError"}, "[What you have started has failed, with TimeoutError: find.]"),
    (
        "transferred",
        "no-answer",
        {"to": "+15551230001", "seconds": 0},
        "[The caller is back. The transfer to +15551230001 ended with: no-answer.]",
    ),
    ("recorded", "", {"url": "x", "seconds": 7}, "[The caller has left a recorded message of 7 seconds.]"),
    ("recorded", "", {"url": "", "seconds": 0}, "[The caller was asked for a recorded message, and has left none.]"),
]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "living_tools.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(("kind", "text", "data", "told"), TOLD)
async def test_the_model_is_told_what_has_happened_now_and_later(
    server: ModelServer, begin: Begin, kind: TurnKind, text: str, data: dict[str, Any], told: str
) -> None:
    server.answers["big"] = [says("So it is."), says("Fine.")]
    call = begin()
    assert await call.turn(kind, text, data=data) == "So it is."
    await call.say("And now?")
    now, later = ([(m["role"], m["content"]) for m in request["messages"][1:]] for request in server.requests)
    assert now == [("user", told)]
    assert later == [("user", told), ("assistant", "So it is."), ("user", "And now?")]


async def test_data_of_any_length_leave_room_for_the_call(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Much.")]
    await begin().turn("activity", "find", data={"result": "x" * 90_000})
    assert len(server.requests[0]["messages"][-1]["content"]) < MOST_CHARACTERS + 200


async def test_a_model_may_say_nothing_to_them_and_no_filler_is_said(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says(""), says("")]
    call = begin(llm_first_token_seconds=0.001)
    assert await call.turn("signal", "noted") == ""
    assert FILLER not in call.state.turns[-1].reply.text
    assert BROKE_OFF in await call.say("hello?"), "whoever speaks gets an answer"


async def test_they_do_not_end_a_row_of_silences(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says(text) for text in ("Hello?", "Paid.", "Are you there?")]
    call = begin()
    await call.turn("silence")
    await call.turn("signal", "paid")
    await call.turn("silence")
    await call.turn("silence")
    assert call.actions == [HangUp(reason="silence")]


async def test_a_tool_begins_an_activity_before_the_model_speaks_on(
    server: ModelServer, begin: Begin, host: AgentHost, tools: None
) -> None:
    server.answers["big"] = [
        calls("find_book", {"title": "Momo"}),
        calls("remind", {"minutes": 2}),
        says("Let me see. Have you been here before?"),
    ]
    call = begin(llm_tools="living_tools")
    turn = Turn(turn_id="1", call_sid="CA1", kind="speech", text="Do you have Momo?")
    async with host.run(call.agent, turn, call.state) as run:
        parts = [part async for part in run]
    first = [StartActivity("catalogue:find", {"title": "Momo"}, name="find"), SetTimer("reminder", 120)]
    assert parts[:2] == first, "they hold although what follows is cut off"
    assert {type(part) for part in parts[2:]} == {str}
    results = [m["content"] for m in server.requests[1]["messages"] if m["role"] == "tool"]
    assert results[0] == "It has begun. Talk on with the caller meanwhile; you will be told its result."


async def test_who_leaves_a_message_is_not_hung_up_on(server: ModelServer, begin: Begin, tools: None) -> None:
    server.answers["big"] = [calls("hang_up", {}), calls("take_message", {}), says("After the tone, please.")]
    call = begin(llm_tools="living_tools")
    await call.say("Can I leave a message?")
    assert call.actions == [Record()]
    assert Transfer not in map(type, call.actions)
