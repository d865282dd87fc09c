"""What `AGENT=llm` needs, and what it says when that is missing."""

import asyncio
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest
from support.model_server import ModelServer, says

from orchestrator.agents.llm.models import Models
from orchestrator.agents.loader import configured_agent, load_agent
from orchestrator.errors import BadAgent, BadSetting
from orchestrator.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*(field.upper() for field in Settings.model_fields), "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def refusal(**settings: Any) -> str:
    with pytest.raises(BadAgent) as refused:
        configured_agent(Settings(agent="llm", **settings))
    return str(refused.value)


def test_a_model_must_be_named() -> None:
    assert "AGENT=llm needs LLM_MODEL" in refusal()
    with pytest.raises(BadAgent, match="AGENT='llm' is not an agent"):
        load_agent("llm")


def test_the_extra_is_asked_for_when_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    assert "pip install 'pydantic-ai-slim[openai]" in refusal(llm_model="big")


def test_how_to_install_it_is_what_the_project_says() -> None:
    from orchestrator.agents.llm.loading import HOW_TO_INSTALL

    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert HOW_TO_INSTALL.split("'")[1] in project


def test_a_key_is_asked_for_where_one_is_needed() -> None:
    assert "LLM_API_KEY" in refusal(llm_model="gpt-5-mini")
    assert configured_agent(Settings(agent="llm", llm_model="gpt-5-mini", llm_api_key="sk-1")).name == "llm"
    assert configured_agent(Settings(agent="llm", llm_model="llama3:8b", llm_base_url="http://x/v1")).name == "llm"


def test_a_provider_that_cannot_be_used_is_told() -> None:
    assert "cannot use the model openai:gpt-5-mini: " in refusal(llm_model="openai:gpt-5-mini")
    assert "cannot use the model anthropic:claude: " in refusal(llm_model="anthropic:claude")


async def test_a_model_of_another_provider_is_asked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "key")
    models = Models(["deepseek:deepseek-chat", "llama3:8b"], base_url="http://localhost:1/v1", api_key=None)
    assert [model.system for model in await models.for_running_loop()] == ["deepseek", "llm"]


async def test_the_prompt_may_come_from_a_file(tmp_path: Path, server: ModelServer, begin: Callable[..., Any]) -> None:
    (tmp_path / "prompt.txt").write_text("Du verkaufst Fisch — frisch.\n", encoding="utf-8")
    server.answers["big"] = [says("Moin.")]
    await begin(llm_prompt_file="prompt.txt").turn("started")
    assert server.requests[0]["messages"][0]["content"].startswith("Du verkaufst Fisch — frisch.\n\n")
    assert "No such file" in refusal(llm_model="big", llm_base_url="http://x/v1", llm_prompt_file="nowhere.txt")


def test_settings_that_make_no_sense_are_told_and_the_key_is_not() -> None:
    for settings, sentence in (
        ({"llm_base_url": "localhost:11434"}, "LLM_BASE_URL: got 'localhost:11434'; it must be the URL"),
        ({"llm_prompt": "x", "llm_prompt_file": "y"}, "LLM_PROMPT_FILE: got 'y'; it cannot be set together"),
        ({"llm_first_token_seconds": 0}, "LLM_FIRST_TOKEN_SECONDS: got '0'; it must be more than 0"),
        ({"llm_history_characters": 10}, "LLM_HISTORY_CHARACTERS: got '10'; it must be at least 1000"),
    ):
        with pytest.raises(BadSetting) as caught:
            load_settings(**settings)
        assert sentence in str(caught.value)
    assert "sk-secret" not in repr(Settings(llm_api_key="sk-secret"))


async def test_the_loop_closes_the_connections_of_models_that_were_dropped(server: ModelServer) -> None:
    server.answers["big"] = [says("Hello.")]

    async def ask_and_drop() -> "ref[Any]":
        models = Models(["big"], base_url=server.url, api_key=None)
        [model] = await models.for_running_loop()
        async with model_request_stream(model, [ModelRequest.user_text_prompt("Hello?")]) as stream:
            assert [event async for event in stream]
        return ref(model)

    async def main() -> "ref[Any]":
        model = await ask_and_drop()
        for _ in range(50):  # what the garbage collector has the loop do
            gc.collect()
            await asyncio.sleep(0)
        assert model() is not None, "the garbage collector may find its connection open"
        return model

    model = await asyncio.to_thread(asyncio.run, main())
    gc.collect()
    assert model() is None
