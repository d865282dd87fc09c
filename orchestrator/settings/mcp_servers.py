"""`LLM_MCP_SERVERS`: the servers of the Model Context Protocol whose tools the agent `llm` may call."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MOST_SERVERS = 20
LONGEST_FILE = 100_000
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,99})(?::-([^}$]{0,1000}))?\}")
_FIELDS = {"url", "headers", "type", "command", "args", "env", "cwd"}


@dataclass(frozen=True)
class McpServer:
    """A server: at a `url` (streamable HTTP), or a `command` that is started here and talks over its standard input
    and output."""

    name: str
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str = ""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: str | None = None

    @property
    def place(self) -> str:
        """Where it is, without a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}" if self.url else self.command


def mcp_servers(value: str, variables: Mapping[str, str]) -> tuple[McpServer, ...]:
    """Return the servers that `value` names: URLs with commas between them, or the path of a JSON file.

    The file is as other tools have it: `{"mcpServers": {name: {"url", "headers"} or {"command", "args", "env",
    "cwd"}}}`; `${NAME}` and `${NAME:-default}` in its values are taken from `variables`. Raise ValueError.
    """
    servers = _of_urls(value) if value.startswith(("http://", "https://")) else _of_file(Path(value), variables)
    if len(servers) > MOST_SERVERS:
        raise ValueError(f"must name at most {MOST_SERVERS} servers")
    return servers


def _of_urls(value: str) -> tuple[McpServer, ...]:
    servers: dict[str, McpServer] = {}
    for url in filter(None, (part.strip() for part in value.split(","))):
        _check_url(url)
        host = urlsplit(url).hostname or ""
        name = host if host not in servers else f"{host}_{len(servers) + 1}"
        servers[name] = McpServer(name, url)
    return tuple(servers.values())


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError("must be URLs with commas between them, such as https://example.com/mcp, or a JSON file")
    if parts.username or parts.password:
        raise ValueError("must have no password in a URL: put the header that carries it into a JSON file")


def _of_file(path: Path, variables: Mapping[str, str]) -> tuple[McpServer, ...]:
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise ValueError(f"must be a file of at most {LONGEST_FILE} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ValueError("must be URLs with commas between them, or the path of a JSON file; none is there") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"must be a JSON file: {error}") from None
    servers = content.get("mcpServers") if isinstance(content, dict) else None
    if not isinstance(servers, dict) or not servers:
        raise ValueError('must be a JSON file with servers by name in "mcpServers"')
    return tuple(_server(name, given, variables) for name, given in servers.items())


def _server(name: str, given: Any, variables: Mapping[str, str]) -> McpServer:
    if not isinstance(given, dict) or ("url" in given) == ("command" in given):
        raise ValueError(f'must give the server {name!r} a "url", or a "command"')
    if unknown := sorted(set(given) - _FIELDS):
        raise ValueError(f"has fields of the server {name!r} that are unknown: {', '.join(unknown)}")
    if given.get("type", "http") not in ("http", "streamable-http", "streamable_http", "stdio"):
        raise ValueError(f'must not give the server {name!r} the type {given["type"]!r}: use "http" or "stdio"')

    def text(key: str) -> str:
        return _expanded(name, given.get(key, ""), variables)

    def texts(key: str) -> dict[str, str]:
        found = given.get(key, {})
        if not isinstance(found, dict):
            raise ValueError(f'must give the server {name!r} an object as "{key}"')
        return {str(field): _expanded(name, value, variables) for field, value in found.items()}

    arguments = given.get("args", [])
    if not isinstance(arguments, list):
        raise ValueError(f'must give the server {name!r} a list as "args"')
    if url := text("url"):
        _check_url(url)
    return McpServer(
        name, url, texts("headers"), text("command"),
        tuple(_expanded(name, argument, variables) for argument in arguments), texts("env"), text("cwd") or None,
    )  # fmt: skip


def _expanded(name: str, value: Any, variables: Mapping[str, str]) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must have text in the fields of the server {name!r}")

    def value_of(match: re.Match[str]) -> str:
        found = variables.get(match[1], match[2])
        if found is None:
            raise ValueError(f"uses ${{{match[1]}}} for the server {name!r}, which is not set")
        return found

    return _VARIABLE.sub(value_of, value)
