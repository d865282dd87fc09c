"""The page of actions has every action, and names the verbs and frames that are really sent."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import orchestrator
from orchestrator.conversation.actions import (
    ACTION_TYPES,
    Action,
    CancelActivity,
    CancelTimer,
    Gather,
    HandOff,
    HangUp,
    Play,
    Record,
    SendDigits,
    SendMessage,
    SetLanguage,
    SetSpeech,
    SetTimer,
    SetVoice,
    StartActivity,
    Transfer,
)
from orchestrator.conversation.reply import Reply, TurnResult
from web.twilio import twiml
from web.twilio.language import Languages
from web.twilio.relay import outbound_frames

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "actions.md").read_text()
NAMES = sorted(action.__name__ for action in ACTION_TYPES)
EXAMPLES: tuple[Action, ...] = (
    HangUp(),
    Transfer("+15551234567"),
    Record(),
    Gather(num_digits=4, language="sv-SE"),
    Play("https://example.com/a.mp3"),
    SendDigits("1"),
    SetLanguage(speech="sv-SE"),
    SetSpeech(interruptible=False),
    SetVoice("Polly.Joanna"),
    HandOff("billing"),
    SetTimer("t", 1),
    CancelTimer("t"),
    StartActivity("m:f"),
    CancelActivity("f"),
    SendMessage("+15551234567", "Hello."),
)
Table = dict[str, dict[str, str]]


@cache
def tables() -> Mapping[str, Table]:
    """The tables of actions, by the heading above: action → column → cell."""
    found: dict[str, Table] = {}
    for section in PAGE.split("\n## ")[1:]:
        rows = [_cells(line) for line in section.splitlines() if line.startswith("|")]
        if rows and rows[0][0] == "action":
            found[section.partition("\n")[0]] = {
                row[0].strip("`"): dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]
            }
            assert len(found[section.partition("\n")[0]]) == len(rows) - 2, "an action is there twice"
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_every_channel_has_a_table() -> None:
    assert len(tables()) == 3


@pytest.mark.parametrize("heading", tables())
def test_a_table_has_every_action_and_no_empty_cell(heading: str) -> None:
    table = tables()[heading]
    assert sorted(table) == NAMES
    assert [(name, column) for name, row in table.items() for column, cell in row.items() if not cell] == []


def test_every_action_has_an_example_here_and_can_be_imported() -> None:
    assert sorted(type(example).__name__ for example in EXAMPLES) == NAMES
    assert [name for name in NAMES if not hasattr(orchestrator, name)] == []


@pytest.mark.parametrize("action", EXAMPLES, ids=lambda action: type(action).__name__)
def test_the_verbs_of_the_page_are_those_of_the_document(action: Action) -> None:
    cell = tables()["Over webhooks (`<Gather>`)"][type(action).__name__]["Twilio"]
    result = TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=Reply(text="Well.", actions=[action]))
    document = twiml.reply(result, next_turn=2, languages=Languages())
    silent = TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=Reply(text="Well."))
    for verb in re.findall(r"`<(Hangup|Dial|Record|Play)[ >]", cell):
        assert f"<{verb}" in document
    if cell.startswith("nothing:") or cell == "nothing":
        assert document == twiml.reply(silent, next_turn=2, languages=Languages())


@pytest.mark.parametrize("action", EXAMPLES, ids=lambda action: type(action).__name__)
def test_the_frames_of_the_page_are_those_of_the_relay(action: Action) -> None:
    cell = tables()["On a relay"][type(action).__name__]["Twilio"]
    named = re.search(r"frame `(\w+)`", cell)
    if isinstance(action, HangUp | Transfer | Record):
        frame: str | None = outbound_frames.end(action, "t1")
    else:
        frame = outbound_frames.action_frame(action)
    if frame is not None:
        assert named is not None
        assert json.loads(frame)["type"] == named[1]
    if named is None:
        assert frame is None


def test_the_page_of_agents_and_the_readme_name_it() -> None:
    for page in (DOCS / "agents.md", DOCS.parent / "README.md"):
        assert "actions.md" in page.read_text()
