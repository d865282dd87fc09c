"""Which objects are agents of a framework, what is said of those that cannot answer, and what is imported."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.framework_agents import counter, office, singer, uncompiled, wordless

from orchestrator.agents.loader import agent_of, load_agent
from orchestrator.errors import BadAgent
from orchestrator.object_loading import REQUIREMENTS

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")


class Strange:
    """Deps that nobody can make of a call."""


@pytest.mark.parametrize("make", [singer, counter, office])
def test_an_object_of_a_framework_is_an_agent(make: Any) -> None:
    agent = agent_of("shop:agent", make())
    assert (agent.name, agent.isolation, agent.overlap, agent.speech_filter) == ("shop:agent", "thread", None, True)


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (singer, {"deps_type": Strange}, "its deps_type is Strange. Make it orchestrator.CallContext, or give it"),
        (singer, {"output_type": int}, "its output_type is int. What is spoken is text"),
        (office, {"output_type": int}, "its output_type is not text."),
        (uncompiled, {}, "is a graph that is not compiled. Name what its compile() returns."),
        (wordless, {}, "the graph's state has no 'messages'."),
    ],
)
def test_one_that_cannot_answer_calls_is_refused_with_the_reason(
    make: Any, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadAgent) as refused:
        agent_of("shop:agent", make(**options))
    assert str(refused.value).startswith("AGENT=shop:agent")
    assert sentence in str(refused.value)


@pytest.mark.parametrize("module", list(REQUIREMENTS))
def test_a_framework_that_is_not_installed_is_told_with_what_to_install(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"uses_{module}.py").write_text(f"from {module} import Agent")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadAgent, match="Install it: pip install") as refused:
        load_agent(f"uses_{module}:agent")
    assert f"'{REQUIREMENTS[module]}'" in str(refused.value)


def test_what_is_to_be_installed_is_what_the_project_and_the_guide_say() -> None:
    project, guide = (REPOSITORY / "pyproject.toml").read_text(), (REPOSITORY / "docs" / "frameworks.md").read_text()
    for requirement in REQUIREMENTS.values():
        assert f'"{requirement}"' in project
        assert f"'{requirement}'" in guide


@pytest.mark.processes
def test_an_agent_of_no_framework_imports_none_of_them() -> None:
    program = """
import sys
from orchestrator.agents.loader import agent_of
async def answer(turn, state):
    yield "hello"
agent_of("shop:agent", answer)
frameworks = {"pydantic_ai", "langgraph", "agents", "mcp", "orchestrator.agents.frameworks.framework_agent"}
print(*sorted(frameworks & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.split()) == (0, []), ran.stderr
