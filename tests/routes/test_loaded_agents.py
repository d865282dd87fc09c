"""The agents of the routes, as a process loads them."""

from pathlib import Path

import pytest

from orchestrator.agents.agent_table import load_agents
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadAgent
from orchestrator.settings import Settings


def settings_with(folder: Path, routes: str) -> Settings:
    (folder / "routes.toml").write_text(routes)
    return Settings(_env_file=None, routes="routes.toml", agent="echo")


def test_each_agent_has_its_name_and_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    routes = '[agents.desk]\nagent = "echo"\nsettings = { clinic = "north" }\n[agents.other]\nlike = "desk"\n'
    agents = load_agents(settings_with(tmp_path, routes))
    assert {name: agent.name for name, agent in agents.named.items()} == {"desk": "desk", "other": "other"}
    assert (agents.settings_of("desk"), agents.settings_of("other")) == ({"clinic": "north"}, {"clinic": "north"})
    assert agents.settings_of("") == {}
    of = [agents.agent_of(ConversationState(call_sid="CA1", agent=name)) for name in ("", "desk", "sales")]
    assert of == [agents.default, agents.named["desk"], None]


def test_a_call_that_changes_its_settings_changes_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    agents = load_agents(settings_with(tmp_path, '[agents.desk]\nagent = "echo"\nsettings = { said = { no = [] } }\n'))
    agents.settings_of("desk")["said"]["no"].append(1)
    assert agents.settings_of("desk") == {"said": {"no": []}}


def test_all_agents_that_cannot_be_had_are_named_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    routes = '[agents.desk]\nagent = "os:no_such"\n\n[agents.other]\nagent = "no_such_module:answer"\n'
    with pytest.raises(BadAgent) as refused:
        load_agents(settings_with(tmp_path, routes))
    first, second = str(refused.value).splitlines()
    assert first.startswith("routes.toml:2: agent: os:no_such: the module os has no 'no_such'")
    assert second.startswith("routes.toml:5: agent: no_such_module:answer: there is no module")
