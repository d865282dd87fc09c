"""The Python of docs/redis.md runs as it stands."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel
from support.sentinels import SentinelTopology

from orchestrator.errors import BadSetting
from orchestrator.redis import keys
from orchestrator.settings import Settings
from orchestrator.state.factory import close_state_manager, get_state_manager
from orchestrator.state.loading import load_state_manager
from orchestrator.state.redis import RedisStateManager

PAGE = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
CUSTOM = """
from orchestrator.conversation.state import ConversationState
from orchestrator.state.base import StateManagerBase

class PostgresStateManager(StateManagerBase):
    # Implement all abstract methods
    async def create_state(self, call_sid: str) -> ConversationState:
        # Custom implementation
        ...
"""


async def run_snippet(containing: str, **names: Any) -> dict[str, Any]:
    """Run the page's Python that contains this, with these names; the names it leaves."""
    (code,) = [text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if containing in text]
    namespace = dict(names)
    last = code.strip().splitlines()[-1]
    if last.startswith("RedisStateManager("):
        code = code.replace(last, f"made = {last}")
    compiled = compile(code, "docs/redis.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, namespace)
    if result is not None:
        await result
    return namespace


async def test_monitoring_prints_the_active_calls(redis_url, monkeypatch, capsys) -> None:
    monkeypatch.setenv("USE_REDIS", "true")
    monkeypatch.setenv("REDIS_URL", redis_url)
    try:
        await (await get_state_manager()).create_state("CA1")
        await run_snippet("get_state_manager")
        assert capsys.readouterr().out == "Active calls: 1\nCall SIDs: ['CA1']\n"
    finally:
        await close_state_manager()


async def test_a_manager_with_a_life_of_its_own(redis_client) -> None:
    manager = (await run_snippet("ttl_seconds=1800", redis_client=redis_client))["made"]
    await manager.create_state("CA1")
    assert 1790 < await redis_client.ttl(keys.state("CA1")) <= 1800


@pytest.mark.processes
async def test_a_client_that_sentinels_give_carries_a_manager() -> None:
    with SentinelTopology() as topology:
        ports = iter(sentinel.port for sentinel in topology.sentinels)
        hosts = {f"sentinel{n}": ("127.0.0.1", next(ports)) for n in (1, 2, 3)}

        class LocalSentinel(Sentinel):
            """The page's Sentinels are on this machine."""

            def __init__(self, sentinels: list[tuple[str, int]]) -> None:
                super().__init__([hosts[name] for name, _ in sentinels])

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("redis.asyncio.sentinel.Sentinel", LocalSentinel)
            names = await run_snippet("master_for")
        client: Redis = names["redis_client"]
        manager = RedisStateManager(client, ttl_seconds=60)
        assert (await manager.create_state("CA1")).version == 1
        assert int(topology.master().client().dbsize()) == 2
        await manager.close()
        for sentinel in names["sentinel"].sentinels:
            await sentinel.aclose()


def test_a_client_that_blocks_is_refused_with_a_sentence(redis_server) -> None:
    with redis_server.client() as client, pytest.raises(TypeError, match=r"redis\.asyncio"):
        RedisStateManager(client)


def test_a_manager_that_lacks_methods_is_refused_by_their_names(tmp_path, monkeypatch) -> None:
    (tmp_path / "guide_states.py").write_text(CUSTOM)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadSetting, match="update_state"):
        load_state_manager("guide_states:PostgresStateManager", Settings(_env_file=None))


def test_every_redis_setting_has_its_row_with_its_default() -> None:
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| ([^|]*)\|", PAGE, re.MULTILINE)
    shown = {
        name.lower(): value
        for names, values in rows
        for name, value in zip(re.findall(r"\w+", names), re.findall(r"`(\w+)`", values) or [""] * 9, strict=False)
    }
    fields = Settings.model_fields
    assert {name for name in fields if name.startswith("redis_")} <= set(shown)
    for name, value in shown.items():
        default = fields[name].default
        text = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        assert value == text, name
