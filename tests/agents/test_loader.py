"""How `AGENT` finds an agent, and what it says when it does not."""

import sys
from pathlib import Path

import pytest

from orchestrator.agents.loader import load_agent
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadAgent

MODULE = """
from orchestrator.agents.protocol import Agent

async def shouting(turn, state):
    yield turn.text.upper()

class Polite:
    overlap = "merge"
    isolation = "inline"

    async def reply(self, turn, state):
        yield "please"

class Needy:
    def __init__(self, key): ...
    async def reply(self, turn, state):
        yield ""

class Faulty(Polite):
    def __init__(self): 1 / 0

polite = Polite()
ready = Agent("ready", shouting)
async def returns(turn, state): return "x"
def plain(turn, state): yield "x"
def function(turn, state): return "x"
async def hasty(turn): yield "x"
number = 3
class Odd(Polite):
    overlap = "shout"
class Stubborn(Polite):
    isolation = "machine"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's directory with modules of theirs; the process works there."""
    (tmp_path / "their_agents.py").write_text(MODULE)
    (tmp_path / "their_broken.py").write_text("1 / 0")
    (tmp_path / "their_deep.py").write_text("def load():\n    open('no-such-model')\n\n\nload()\n")
    (tmp_path / "their_typo.py").write_text("import json\ndef reply(:\n")
    (tmp_path / "their_import.py").write_text("import json\nimport their_typo\n")
    (tmp_path / "their_library.py").write_text("import json\njson.loads('{')\n")
    (tmp_path / "their_exit.py").write_text("import sys\nsys.exit('no key')\n")
    (tmp_path / "their_hungry.py").write_text("import not_installed_anywhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [n for n in sys.modules if n.startswith("their_")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.parametrize("name", ["echo", "receptionist"])
def test_built_in_agents_run_in_the_workers_own_loop(name: str) -> None:
    agent = load_agent(name)
    assert (agent.name, agent.isolation, agent.overlap) == (name, "inline", None)


async def test_a_function_in_the_current_directory_is_an_agent(here: Path) -> None:
    agent = load_agent("their_agents:shouting")
    turn = Turn(turn_id="1", call_sid="CA1", kind="speech", text="hello")
    assert [part async for part in agent.reply(turn, ConversationState(call_sid="CA1"))] == ["HELLO"]
    assert (agent.name, agent.isolation, agent.overlap) == ("their_agents:shouting", "thread", None)


@pytest.mark.parametrize("name", ["polite", "Polite"])
def test_an_object_or_its_class_says_how_it_wants_to_be_run(here: Path, name: str) -> None:
    agent = load_agent(f"their_agents:{name}")
    assert (agent.isolation, agent.overlap) == ("inline", "merge")


def test_a_ready_made_agent_is_taken_as_it_is(here: Path) -> None:
    assert load_agent("their_agents:ready").name == "ready"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "AGENT='' is not an agent. Use echo, receptionist, llm, or package.module:object."),
        ("ehco", "Use echo, receptionist, llm, or package.module:object."),
        ("their_agents:", "Use echo, receptionist"),
        (
            "their_agent:shouting",
            "there is no module 'their_agent' here. Start from the directory that holds it",
        ),
        ("their_agents.more:x", "there is no module 'their_agents.more' here"),
        ("their_hungry:x", "their_hungry needs the module 'not_installed_anywhere'. Install it."),
        ("their_broken:x", "importing their_broken failed: ZeroDivisionError: division by zero"),
        ("their_broken:x", "division by zero (their_broken.py:1)"),
        ("their_deep:x", "(their_deep.py:2, in load)"),
        ("their_typo:x", "(their_typo.py:2)"),
        ("their_import:x", "(their_typo.py:2)"),
        ("their_library:x", "(their_library.py:2)"),
        ("their_exit:x", "importing their_exit failed: SystemExit: no key (their_exit.py:2)"),
        ("their_hungry:x", "(their_hungry.py:1)"),
        ("their_agents:Faulty", "without arguments failed: ZeroDivisionError: division by zero (their_agents.py:"),
        ("their_agents:shoutin", "the module their_agents has no 'shoutin'. Check the name."),
        ("their_agents:Needy", "calling Needy() without arguments failed: TypeError"),
        ("their_agents:returns", "returns never yields. Yield what is to be said instead of returning it."),
        ("their_agents:plain", "plain is a plain generator. Write `async def`."),
        ("their_agents:function", "function is not an async generator function. Write `async def`"),
        ("their_agents:hasty", "the agent must take two arguments, (turn, state)."),
        ("their_agents:number", "an object of type int is not an agent. It must be an async generator function"),
        ("their_agents:Odd", "overlap is 'shout', and must be one of enqueue, interrupt, merge, reject."),
        ("their_agents:Stubborn", "isolation is 'machine', and must be one of inline, thread, process."),
    ],
)
def test_what_is_no_agent_is_refused_with_the_reason(here: Path, name: str, sentence: str) -> None:
    with pytest.raises(BadAgent) as refused:
        load_agent(name)
    assert sentence in str(refused.value)
