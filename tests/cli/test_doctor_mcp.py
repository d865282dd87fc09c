"""What the doctor says of MCP servers."""

import pytest
from support.mcp_shop import McpShop

from orchestrator.doctor.mcp import McpFacts, inspect_mcp_servers, judge_mcp_servers
from orchestrator.settings import Settings

LONG = 60.0


def settings(servers: str | None, agent: str = "llm") -> Settings:
    return Settings(_env_file=None, agent=agent, llm_mcp_servers=servers)


async def test_a_server_that_answers_is_well_and_one_that_does_not_is_named() -> None:
    async with McpShop() as shop:
        given = settings(f"{shop.url},http://127.0.0.1:9/mcp")
        findings = list(judge_mcp_servers(given, await inspect_mcp_servers(given, LONG)))
    assert [finding.level for finding in findings] == ["ok", "warning"]
    assert "answers; it has 6 tools" in findings[0].message
    assert "(http://127.0.0.1:9/mcp) cannot be used: ConnectError." in findings[1].message


async def test_without_servers_there_is_nothing_to_say() -> None:
    assert await inspect_mcp_servers(settings(None)) == ()
    assert list(judge_mcp_servers(settings(None), ())) == []


@pytest.mark.parametrize(
    ("facts", "agent", "sentence"),
    [
        (McpFacts("shop", "menu", ()), "llm", "The MCP server shop has no tools."),
        (McpFacts("shop", "menu", ("a",)), "llm", "it has 1 tool."),
        (McpFacts("shop", "menu", ("a",)), "echo", "LLM_MCP_SERVERS is set, and AGENT is echo"),
    ],
)
def test_what_is_odd_is_told(facts: McpFacts, agent: str, sentence: str) -> None:
    findings = list(judge_mcp_servers(settings("http://x/mcp", agent), [facts]))
    assert sentence in " ".join(finding.message for finding in findings)
