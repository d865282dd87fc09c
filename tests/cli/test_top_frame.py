"""The screen of `voiceagent top`: what it says, and what it leaves out where there is no room."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from orchestrator.cli.cells import cut, filled, width_of
from orchestrator.cli.screen import Screen, keys_in
from orchestrator.cli.top_frame import Line, View, frame, snapshot
from orchestrator.cli.top_state import LiveState
from orchestrator.client import ServerEvent

START = datetime(2026, 11, 27, 12, tzinfo=UTC)
NOW = (START + timedelta(seconds=90)).timestamp()
URL = "http://office"


def call(name: str, health: str = "ok", **fields: Any) -> dict[str, Any]:
    return {"call_sid": name, "created_at": START.isoformat(), "turns": 2, "health": health, **fields}


def process(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": name, "role": "worker", "state": "running", "host": "anna", "pid": 7, "version": "v1", "running": 3,
        "slots": 10, "started_at": START.isoformat(), "seen_at": START.isoformat(), **fields,
    }  # fmt: skip


def told(*calls: dict[str, Any], **overview: Any) -> LiveState:
    """A server that has told this."""
    state = LiveState()
    state.take(ServerEvent("overview", {"status": "healthy", "active": len(calls), **overview}))
    state.take(ServerEvent("calls", {"reset": True, "changed": [*calls], "gone": [], "active": len(calls)}))
    return state


def texts(state: LiveState, view: View | None = None, size: tuple[int, int] = (100, 24)) -> list[str]:
    return [line.text for line in frame(state, view or View(), URL, size, NOW)]


def test_it_says_how_things_are_in_one_screen() -> None:
    state = told(
        call("CA1", from_number="+15550100", agent="echo", last={"by": "caller", "text": "hello\x1b[2J"}),
        status="degraded", checks={"workers": {"status": "degraded", "message": "Few workers."}, "redis": {}},
        running=1, waiting={"count": 1, "seconds": 2.5}, turns={"p50": 0.4, "p95": 1.25},
        findings=[{
            "level": "problem", "message": "A worker was lost.", "advice": "See its log.",
            "since": START.isoformat(), "calls": {"count": 2},
        }],
        processes=[
            process("0f8fad5bd9cb469f"), process("i1", role="ingress", sockets=1), process("w2", state="lost"),
        ],
    )  # fmt: skip
    assert texts(state) == [
        "VoiceAgent at http://office",
        "Degraded: Few workers.",
        "1 call · 1 turn running · 1 without a word for 2.5 s · p50 0.40 s · p95 1.25 s · 1 worker, 3 of 10 …",
        "",
        "! A worker was lost. See its log. (for 1 min, noticed by 2 calls)",
        "",
        "  PROCESS       ROLE     STATE           PLACE   VERSION  BUSY           RUNS FOR",
        "  0f8fad5bd9cb  worker   running         anna:7  v1       3 of 10 turns  1 min",
        "  i1            ingress  running         anna:7  v1       1 socket       1 min",
        "  w2            worker   lost for 1 min  anna:7  v1       3 of 10 turns  -",
        "",
        "  CALL  FROM       SINCE  TURNS  AGENT  HEALTH  LAST WORDS",
        "  CA1   +15550100  1 min  2      echo   ok      caller › hello\\x1b[2J",
        *[""] * 10,
        "↑ ↓ choose   Enter show   q quit",
    ]


@pytest.mark.parametrize("size", [(100, 24), (40, 12), (20, 5), (5, 2), (300, 90)])
def test_no_line_is_too_wide_and_no_screen_too_high(size: tuple[int, int]) -> None:
    state = told(
        *(call(f"CA{number}", last={"by": "agent", "text": "日本" * 80}) for number in range(300)),
        processes=[process(f"w{number}") for number in range(40)],
        findings=[{"message": "wrong " * 60}] * 9,
    )
    for view in (View(), View(opened="CA1", transcript=["word " * 50] * 60)):
        shown = texts(state, view, size)
        assert len(shown) <= size[1]
        assert max(map(width_of, shown)) <= size[0]


def test_the_calls_that_need_somebody_stand_first() -> None:
    later = (START + timedelta(seconds=9)).isoformat()
    state = told(
        call("old"), call("slow", "slow", why="waits"), call("new", created_at=later), call("bad", "failing", why="x")
    )
    assert [row["call_sid"] for row in state.calls()] == ["bad", "slow", "new", "old"]
    assert any("slow: waits for a word" in line for line in texts(state))


def test_the_chosen_call_stays_chosen_while_others_come_and_go() -> None:
    state, view = told(*(call(f"CA{number:03}") for number in range(200))), View()
    sids = [str(row["call_sid"]) for row in state.calls()]
    for _ in range(100):
        view.move(1, sids)
    assert view.chosen == sids[99]
    assert sum(line.startswith(f"› {view.chosen}") for line in texts(state, view)) == 1
    state.take(ServerEvent("calls", {"changed": [call("CA999", "failing")], "gone": sids[:50], "active": 151}))
    assert any(line.startswith(f"› {sids[99]}") for line in texts(state, view))
    assert any(line.endswith("of 151") for line in texts(state, view))


def test_a_call_is_scrolled_from_its_end() -> None:
    view = View(opened="CA1", transcript=[f"line {number}" for number in range(100)])
    state = told(call("CA1"))
    assert "line 99" in texts(state, view)
    view.move(-1, [])
    assert "line 99" not in texts(state, view)
    view.move(-1000, [])
    assert "line 0" in texts(state, view)
    view.move(1000, [])
    assert "line 99" in texts(state, view)


def test_what_a_server_of_another_version_sends_does_no_harm() -> None:
    state = LiveState()
    assert "Waiting for the server …" in texts(state)
    for event in (
        ServerEvent("overview", []), ServerEvent("overview", {"findings": 3, "processes": [None, {}], "turns": "x"}),
        ServerEvent("calls", {"changed": [{}], "active": "many"}), ServerEvent("news", {}),
    ):  # fmt: skip
        state.take(event)
        texts(state)
    assert snapshot(state, URL, 100, NOW)


def test_without_a_terminal_all_processes_and_the_first_calls_are_told() -> None:
    state = told(*(call(f"CA{number:03}") for number in range(50)), processes=[process(f"w{n}") for n in range(60)])
    lines = [line.text for line in snapshot(state, URL, 100, NOW)]
    assert sum(line.startswith("  w") for line in lines) == 60
    assert sum(line.startswith("  CA0") for line in lines) == 20
    assert lines[-1] == "1 to 20 of 50"


def test_only_what_has_changed_is_drawn() -> None:
    stream = StringIO()
    screen = Screen(stream)
    screen.draw([Line("one"), Line("two"), Line("three")])
    before = len(stream.getvalue())
    screen.draw([Line("one"), Line("2"), Line("three")])
    drawn = stream.getvalue()[before:]
    assert "\x1b[2;1H2\x1b[K" in drawn
    assert "one" not in drawn
    before = len(stream.getvalue())
    screen.draw([Line("one"), Line("2"), Line("three")])
    assert stream.getvalue()[before:] == ""
    screen.draw([Line("one")])
    assert stream.getvalue().endswith("\x1b[2;1H\x1b[J\x1b[?2026l")
    screen.forget()
    screen.draw([Line("one")])
    assert "one" in stream.getvalue()[before:], "everything anew after the size has changed"


def test_keys_are_known_by_what_they_send() -> None:
    assert keys_in("\x1b[A\x1bOBjk\x1b[5~\x1b[6~x\r\x1b[1;5Cq\x1b") == [
        "up", "down", "down", "up", "page up", "page down", "enter", "quit", "back",
    ]  # fmt: skip


def test_text_is_cut_by_the_columns_it_takes() -> None:
    assert (cut("abc", 3), cut("abcd", 3), cut("日本語", 5), cut("日本語", 4), cut("abc", 0)) == (
        "abc", "ab…", "日本…", "日…", "",
    )  # fmt: skip
    assert (filled("日", 4), width_of(filled("日本語", 4))) == ("日  ", 4)
