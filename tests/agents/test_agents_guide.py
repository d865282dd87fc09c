"""The guide to agents: its code runs, and its tables name what there is."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import orchestrator
from orchestrator.agents.host import AgentHost
from orchestrator.agents.llm.tools import found_tools
from orchestrator.agents.llm.toolset import Toolset
from orchestrator.agents.loader import load_agent
from orchestrator.agents.protocol import Part
from orchestrator.conversation.actions import ACTION_TYPES, Gather, HangUp, Play
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.testing.agent_call import AgentCall

GUIDE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, flags=re.DOTALL))
_IMPORTS = re.compile(r"^from orchestrator import (.+)$", re.MULTILINE)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's files, in the current directory."""
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in FILES:
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    return tmp_path


async def test_the_example_is_loaded_and_plays_its_quiz(written: Path) -> None:
    agent, state = load_agent("quiz:quiz"), ConversationState(call_sid="CA1")
    answers: list[list[object]] = []
    told: list[tuple[TurnKind, str]] = [("started", ""), ("silence", ""), ("speech", "five"), ("keys", "7")]
    async with AgentHost() as host:
        for number, (kind, text) in enumerate(told):
            turn = Turn(turn_id=str(number), call_sid="CA1", kind=kind, text=text)
            async with host.run(agent, turn, state) as run:
                answers.append([part async for part in run])
            state = run.state
    assert isinstance(answers[0][-1], Gather)
    assert answers[1:] == [["Take your time."], ["No. Try again."], ["Right, after 2. Goodbye!", HangUp()]]


@pytest.mark.processes
def test_the_examples_own_tests_pass_in_a_project_of_ones_own(written: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(name for name in FILES if "test_" in name)],
        cwd=written, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 passed" in ran.stdout


def test_each_action_is_yielded_in_an_example_by_its_name_from_orchestrator(
    written: Path, agent_call: Callable[..., AgentCall]
) -> None:
    yielded: list[Part] = []
    for name in ("quiz", "tour", "front_desk", "kitchen", "library", "workshop", "payment"):
        module = import_module(name)
        call = agent_call(getattr(module, {"front_desk": "reception"}.get(name, name)), from_number="+15550001111")
        yielded += call.begin()
        for said in ("an invoice", "7", "1", "2", "3", "4", "never mind"):
            yielded += call.say(said)
        if name == "workshop":
            yielded += [*call.begin(), *call.return_from_transfer("busy"), *call.record(seconds=3)]
    assert {type(part) for part in yielded} == {str, *ACTION_TYPES}
    names = {name for code in FILES.values() for found in _IMPORTS.findall(code) for name in found.split(", ")}
    assert {action.__name__ for action in ACTION_TYPES} <= names <= set(orchestrator.__all__)


async def test_the_example_of_tools_orders_once_for_a_key(written: Path) -> None:
    order, sing = found_tools("shop_tools")
    first, again = [await order("Funghi", 2, idempotency_key="key") for _ in range(2)]
    assert first is again
    assert sing() == Play("https://example.com/song.mp3")
    assert [tool.name for tool in Toolset([order, sing]).definitions] == ["order", "sing"]


def fields_in(heading: str, ending: str) -> set[str]:
    """The fields named in the first column of the table between two headings."""
    table = GUIDE.partition(heading)[2].partition(ending)[0]
    columns = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, flags=re.MULTILINE)
    return {name for column in columns for name in re.findall(r"\w+", column)}


def test_every_action_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)\(", GUIDE, flags=re.MULTILINE)
    assert rows == [action.__name__ for action in ACTION_TYPES]


def test_the_fields_it_names_exist() -> None:
    assert fields_in("## The turn", "## Actions") == {*Turn.model_fields, "idempotency_key"}
    assert set() < fields_in("The other fields of the state", "## Once") < set(ConversationState.model_fields)
    assert hasattr(TurnRecord, "heard_text")
