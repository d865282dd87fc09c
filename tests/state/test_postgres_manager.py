"""The worked example keeps the contract on a real PostgreSQL, and carries calls end to end."""

import asyncio
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import module_process
from support.module_process import Process
from support.postgres import PostgresServer, installed
from support.servers import free_port
from support.terminal import environment
from support.waiting import wait_until

from orchestrator.conversation.state import EndRecord
from orchestrator.errors import BadSetting, StateConflict, StoreUnavailable
from orchestrator.redis import keys
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.loading import load_state_manager
from orchestrator.testing.state_manager_contract import StateManagerContract

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PAGE = Path(__file__).parents[2] / "docs" / "custom_state_manager.md"

pytest.importorskip("asyncpg", reason="wants the extra `postgres`")
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not installed(), reason="wants PostgreSQL: initdb and postgres in PATH"),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("postgres_state_manager")


@pytest.fixture
async def emptied(postgres, example):
    """The server, with no call in it."""
    import asyncpg

    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute("DROP TABLE IF EXISTS voiceagent_states")
    yield connection
    await connection.close()


class TestPostgresStateManager(StateManagerContract):
    @pytest.fixture
    async def manager(self, postgres, example, emptied):
        self.connection = emptied
        manager = example.PostgresStateManager(dsn=postgres.dsn, ttl_seconds=100)
        yield manager
        await manager.close()

    async def expire(self, manager: StateManagerBase, call_sid: str) -> None:
        query = "UPDATE voiceagent_states SET expires_at = now() - interval '1 second' WHERE call_sid = $1"
        await self.connection.execute(query, call_sid)


async def test_a_call_that_has_ended_is_kept_for_a_time_of_its_own(postgres, example, emptied) -> None:
    settings = Settings(_env_file=None, state_ttl_seconds=3600, ended_call_ttl_seconds=60)
    manager = example.PostgresStateManager(settings, dsn=postgres.dsn)
    state = await manager.create_state("CA1")
    left = "SELECT extract(epoch FROM expires_at - now()) FROM voiceagent_states"
    assert await emptied.fetchval(left) > 3000
    await manager.update_state(state.model_copy(update={"ended": EndRecord(status="completed")}))
    assert 0 < await emptied.fetchval(left) <= 60
    await manager.close()


async def test_processes_that_begin_together_make_one_table(postgres, example, emptied) -> None:
    managers = [example.PostgresStateManager(dsn=postgres.dsn) for _ in range(8)]
    states = await asyncio.gather(*(manager.create_state("CA1", phase=str(n)) for n, manager in enumerate(managers)))
    assert all(state == states[0] for state in states)
    state = states[0]
    results = await asyncio.gather(*(manager.update_state(state) for manager in managers), return_exceptions=True)
    assert sum(isinstance(result, StateConflict) for result in results) == 7
    for manager in managers:
        await manager.close()


async def test_a_write_renews_the_time_to_live(postgres, example, emptied) -> None:
    manager = example.PostgresStateManager(Settings(_env_file=None, state_ttl_seconds=50), dsn=postgres.dsn)
    state = await manager.create_state("CA1")
    await emptied.execute("UPDATE voiceagent_states SET expires_at = now() + interval '1 second'")
    await manager.update_state(state)
    left = "SELECT extract(epoch FROM expires_at - now()) FROM voiceagent_states"
    assert 40 < await emptied.fetchval(left) <= 50
    await manager.close()


async def test_counting_reads_an_index_and_not_the_states(postgres, example, emptied) -> None:
    manager = example.PostgresStateManager(dsn=postgres.dsn)
    await manager.create_state("CA1")
    await emptied.execute(
        "INSERT INTO voiceagent_states SELECT 'x' || n, 1, n % 100 = 0, now() + interval '1 hour', '{}' "
        "FROM generate_series(1, 20000) n"
    )
    await emptied.execute("VACUUM ANALYZE voiceagent_states")
    plan = "\n".join(row[0] for row in await emptied.fetch("EXPLAIN " + example.COUNT))
    assert "Index Only Scan using voiceagent_states_active" in plan
    assert await manager.get_active_calls_count() == 201
    await manager.close()


async def test_a_database_that_goes_away_is_a_store_that_is_unavailable_until_it_is_back(
    postgres, example, emptied
) -> None:
    manager = example.PostgresStateManager(dsn=postgres.dsn)
    await manager.create_state("CA1", phase="kept")
    await emptied.close()
    postgres.stop()
    with pytest.raises(StoreUnavailable, match="DATABASE_URL"):
        await manager.get_state("CA1")
    assert await manager.health_check() is False
    postgres.start()

    async def is_back() -> bool:
        return await manager.health_check()

    await wait_until(is_back, "the manager has connected again")
    state = await manager.get_state("CA1")
    assert state is not None
    assert state.phase == "kept"
    await manager.close()


def test_without_an_address_it_is_refused_with_a_sentence(example, monkeypatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(BadSetting, match="DATABASE_URL is not set"):
        load_state_manager("postgres_state_manager:PostgresStateManager", Settings(_env_file=None))


def test_the_page_shows_the_settings_that_the_test_below_uses() -> None:
    assert re.search(r"^STATE_MANAGER=postgres_state_manager:PostgresStateManager$", PAGE.read_text(), re.MULTILINE)


async def test_a_call_goes_through_web_and_worker_with_its_state_in_postgres(
    postgres, emptied, redis_url, redis_client, tmp_path
) -> None:
    port = free_port()
    settings = environment(
        USE_REDIS="true", REDIS_URL=redis_url, AGENT="echo", PORT=str(port), DATABASE_URL=postgres.dsn,
        STATE_MANAGER="postgres_state_manager:PostgresStateManager", PYTHONPATH=str(EXAMPLES),
    )  # fmt: skip
    started = []

    def start(module: str) -> Process:
        started.append(module_process.start(module, directory=tmp_path, environment=settings))
        return started[-1]

    try:
        start("web")
        worker = start("workers")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            async def is_ready() -> bool:
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            async def say(turn_id: str, text: str) -> str:
                answer = await client.post("/calls/CA1/turns", json={"turn_id": turn_id, "text": text})
                assert answer.status_code == 200, answer.text
                return answer.json()["reply"]["text"]

            await wait_until(is_ready, "web and worker are ready")
            first = await say("t1", "hello")
            assert first == await say("t1", "hello")
            worker.kill()
            start("workers")
            assert "again" in await say("t2", "again")
            stored = await emptied.fetchrow(
                "SELECT version, is_active, state->'turns'->1->>'turn_id' FROM voiceagent_states"
            )
            assert tuple(stored) == (3, True, "t2")
            assert await redis_client.exists(keys.state("CA1")) == 0
            assert (await client.get("/calls")).json()["count"] == 1
            assert (await client.delete("/calls/CA1")).status_code in (200, 204)
            assert await emptied.fetchval("SELECT count(*) FROM voiceagent_states") == 0
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)
