"""Builds the agent `llm` from the settings."""

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.agents.protocol import Agent
from orchestrator.agents.reply_text import ANSWER_SHARE
from orchestrator.errors import BadAgent
from orchestrator.settings import Settings, given_variables
from orchestrator.settings.mcp_servers import mcp_servers

if TYPE_CHECKING:
    from orchestrator.agents.mcp.servers import McpServers

HOW_TO_INSTALL = (
    "AGENT=llm needs pydantic-ai, which is not installed. Install the extra `llm`: "
    "pip install 'pydantic-ai-slim[openai]>=2.68,<3'"
)

HOW_TO_INSTALL_MCP = (
    "LLM_MCP_SERVERS needs the package mcp, which is not installed. Install the extra `mcp`: pip install 'mcp>=2.3,<3'"
)


def load_model_agent(settings: Settings) -> Agent:
    """Return the agent that `AGENT=llm` means. Raise `BadAgent`, which says what is missing or wrong."""
    if settings.llm_model is None:
        raise BadAgent("AGENT=llm needs LLM_MODEL: a model's name, such as gpt-5-mini or anthropic:claude-haiku-4-5.")
    try:
        import pydantic_ai  # noqa: F401
    except ModuleNotFoundError as error:
        raise BadAgent(HOW_TO_INSTALL) from error
    from orchestrator.agents.appointments.office_clock import office_clock
    from orchestrator.agents.llm.agent import ModelAgent
    from orchestrator.agents.llm.models import Models
    from orchestrator.agents.llm.prompt import DEFAULT_PROMPT
    from orchestrator.agents.llm.tools import built_in_tools, found_tools
    from orchestrator.agents.llm.toolset import Toolset

    clock = partial(office_clock, settings.time_zone)
    agent = ModelAgent(
        Models(
            [name for name in (settings.llm_model, settings.llm_fallback_model) if name is not None],
            base_url=settings.llm_base_url,
            api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
        ),
        Toolset([*built_in_tools(settings.transfer_to, clock), *found_tools(settings.llm_tools)]),
        prompt=_prompt(settings) or DEFAULT_PROMPT,
        first_token_seconds=settings.llm_first_token_seconds,
        answer_seconds=settings.agent_timeout_seconds * ANSWER_SHARE,
        history_characters=settings.llm_history_characters,
        clock=clock,
        servers=_servers(settings),
        sees_sensitive=settings.llm_sees_sensitive,
    )
    return Agent("llm", agent.reply, speech_filter=False)  # it filters by itself, before it decides which model answers


def _servers(settings: Settings) -> "McpServers | None":
    if settings.llm_mcp_servers is None:
        return None
    try:
        import mcp  # noqa: F401
    except ModuleNotFoundError as error:
        raise BadAgent(HOW_TO_INSTALL_MCP) from error
    return _shared_servers(settings.llm_mcp_servers)


@cache
def _shared_servers(value: str) -> "McpServers":
    """Return the servers; the agents of several routes share their connections."""
    from orchestrator.agents.mcp.servers import McpServers

    return McpServers(mcp_servers(value, given_variables()))


def _prompt(settings: Settings) -> str | None:
    if settings.llm_prompt_file is None:
        return settings.llm_prompt
    try:
        return Path(settings.llm_prompt_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadAgent(f"LLM_PROMPT_FILE={settings.llm_prompt_file}: {error}. Name a text file in UTF-8.") from None
