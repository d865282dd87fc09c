"""What people change over Redis with `voiceagent` is in the log of a worker, once."""

import logging
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis
from support.terminal import run_script

from orchestrator.operator_changes.redis import MOST_CHANGES, log_changes, note_change
from orchestrator.redis import keys
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.store import RedisTurnStore
from workers.cron import end_abandoned

KEY = b64encode(bytes(range(32))).decode()


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return Settings(_env_file=None, redis_url=redis_url)


def changes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.command for record in caplog.records if getattr(record, "action", "") == "operator.change"]


async def test_a_change_is_logged_once_by_whichever_worker_looks_first(
    redis_client: Redis, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await note_change(settings, "dead", "discard", "CA1/t1")
    await note_change(settings, "rollout", "ramp", "v2", "5%")
    assert [await log_changes(redis_client) for _ in range(2)] == [2, 0]
    assert changes(caplog) == ["dead discard CA1/t1", "rollout ramp v2 5%"]
    assert all("@" in record.by for record in caplog.records if getattr(record, "action", "") == "operator.change")


async def test_changes_that_no_worker_logs_are_bounded(redis_client: Redis, settings: Settings) -> None:
    await redis_client.rpush(keys.OPERATOR_CHANGES, *["{}"] * (MOST_CHANGES + 5))
    await note_change(settings, "rollout", "clear")
    assert await redis_client.llen(keys.OPERATOR_CHANGES) == MOST_CHANGES


@pytest.mark.parametrize("note", [b"", b"\xff", b"[" * 5000, b"[]", b"{}", b'{"by":1,"command":[],"at":"never"}'])
async def test_a_note_that_is_none_is_told_and_stops_nothing(
    redis_client: Redis, settings: Settings, caplog: pytest.LogCaptureFixture, note: bytes
) -> None:
    await redis_client.rpush(keys.OPERATOR_CHANGES, note)
    await note_change(settings, "rollout", "clear")
    caplog.set_level(logging.INFO)
    assert await log_changes(redis_client) == 2
    assert changes(caplog) == ["rollout clear"]
    assert "cannot be read" in caplog.text


async def test_a_key_of_another_type_is_set_aside(redis_client: Redis, settings: Settings) -> None:
    await redis_client.set(keys.OPERATOR_CHANGES, "x", ex=100)
    await note_change(settings, "rollout", "clear")
    assert await log_changes(redis_client) == 1


COMMANDS = {
    "dead discard CA1/t1": "dead discard CA1/t1",
    "events retry": "events retry",
    "events retry --sink file": "events retry --sink file",
    "events replay --sink file --all": "events replay --sink file --all",
    "events drop --call CA1 --yes": "events drop --call CA1",
    "events resume file": "events resume file",
    "rollout clear": "rollout clear",
    "encryption rotate": "encryption rotate",
}
"""A command, and what is noted of it."""


@pytest.mark.processes
@pytest.mark.parametrize("command", COMMANDS)
async def test_each_command_that_changes_something_leaves_its_line_in_a_workers_log(
    redis_client: Redis, redis_url: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, command: str
) -> None:
    caplog.set_level(logging.INFO)
    await RedisDeadLetters(redis_client).put(DeadLetter(turn=a_turn("t1"), attempts=3, reason="crashed"))
    settings = {
        "USE_REDIS": "true", "REDIS_URL": redis_url, "EVENTS_FILE": str(tmp_path / "events"),
        "STATE_ENCRYPTION_KEYS": f"{KEY},plain",
    }  # fmt: skip
    for reading in ("dead list", "events list", "rollout show", "encryption status"):
        await run_script(*reading.split(), cwd=tmp_path, settings=settings)
    assert await redis_client.exists(keys.OPERATOR_CHANGES) == 0
    await run_script(*command.split(), cwd=tmp_path, settings=settings)
    store = RedisTurnStore(redis_client, ttl_seconds=100)
    states = RedisStateManager(redis_client, 100)
    await end_abandoned({"runtime": SimpleNamespace(store=store, states=states)})  # the job of each half minute
    assert changes(caplog) == [COMMANDS[command]]
