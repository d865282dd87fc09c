"""`LLM_MCP_SERVERS`: what it may name, and what is said of what it may not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import BadSetting
from orchestrator.settings import load_settings
from orchestrator.settings.mcp_servers import MOST_SERVERS, McpServer, mcp_servers


def test_urls_are_servers_by_the_name_of_their_host() -> None:
    servers = mcp_servers("https://shop.example/mcp, http://localhost:3000/a,http://localhost:3001/b", {})
    assert [(server.name, server.url) for server in servers] == [
        ("shop.example", "https://shop.example/mcp"),
        ("localhost", "http://localhost:3000/a"),
        ("localhost_3", "http://localhost:3001/b"),
    ]


def test_a_file_names_urls_with_headers_and_commands(tmp_path: Path) -> None:
    servers = of_file(
        tmp_path,
        {
            "shop": {"type": "http", "url": "https://shop.example/mcp", "headers": {"Authorization": "Bearer ${KEY}"}},
            "menu": {"command": "menu", "args": ["--of", "${DAY:-today}"], "env": {"ROOT": "/srv"}, "cwd": "/tmp"},
        },
    )
    assert servers == (
        McpServer("shop", "https://shop.example/mcp", {"Authorization": "Bearer secret"}),
        McpServer("menu", "", {}, "menu", ("--of", "today"), {"ROOT": "/srv"}, "/tmp"),
    )
    assert "secret" not in repr(servers)
    assert [server.place for server in servers] == ["https://shop.example/mcp", "menu"]


def of_file(folder: Path, servers: Any) -> tuple[McpServer, ...]:
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    return mcp_servers(str(folder / "mcp.json"), {"KEY": "secret"})


@pytest.mark.parametrize(
    ("servers", "sentence"),
    [
        ({}, 'servers by name in "mcpServers"'),
        (["shop"], 'servers by name in "mcpServers"'),
        ({"a": {}}, 'must give the server \'a\' a "url", or a "command"'),
        ({"a": {"url": "http://x", "command": "y"}}, 'a "url", or a "command"'),
        ({"a": {"url": "x"}}, "must be URLs"),
        ({"a": {"url": "http://x", "headers": []}}, 'an object as "headers"'),
        ({"a": {"command": "x", "args": "y"}}, 'a list as "args"'),
        ({"a": {"command": "x", "args": [1]}}, "must have text"),
        ({"a": {"command": "x", "retries": 1}}, "unknown: retries"),
        ({"a": {"url": "http://x", "type": "sse"}}, "the type 'sse'"),
        ({"a": {"url": "http://${HOST}"}}, "uses ${HOST} for the server 'a', which is not set"),
        ({str(number): {"command": "x"} for number in range(MOST_SERVERS + 1)}, "at most 20 servers"),
    ],
)
def test_a_file_that_makes_no_sense_is_told(tmp_path: Path, servers: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        of_file(tmp_path, servers)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("nowhere.json", "none is there"),
        ("http://", "must be URLs with commas between them"),
        ("http://x/mcp,ftp://y", "must be URLs with commas between them"),
        ("https://user:hunter2@x/mcp", "must have no password in a URL"),
        ("broken.json", "must be a JSON file"),
    ],
)
def test_a_value_that_names_none_stops_the_process_at_start_without_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, sentence: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadSetting) as refused:
        load_settings(llm_mcp_servers=value)
    assert str(refused.value).startswith("LLM_MCP_SERVERS: ")
    assert sentence in str(refused.value)
    assert "hunter2" not in str(refused.value)
