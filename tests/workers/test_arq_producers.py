"""Unmodified arq with our worker: its producers and its health record."""

import json
import subprocess
import sys
from contextlib import aclosing

import pytest
from arq.connections import ArqRedis
from arq.jobs import SerializationError
from redis.asyncio import ConnectionPool, Redis
from support.program import clean_environment
from support.waiting import wait_until, wait_until_sync

import workers
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.errors import BadSetting
from orchestrator.settings import load_settings
from orchestrator.testing.turn_store_contract import a_turn
from workers.arq_client import worker_settings

pytestmark = pytest.mark.processes


async def test_a_job_of_a_stock_producer_is_executed(start_worker, dispatcher, redis_url: str, redis_client) -> None:
    pending = await submit_by(dispatcher, a_turn("t1"), opening={"channel": "api"})
    await redis_client.delete("arq:queue", "voiceagent:due")
    pool = ConnectionPool.from_url(redis_url)
    arq = ArqRedis(
        pool_or_conn=pool,
        job_serializer=lambda job: json.dumps(job).encode(),
        job_deserializer=json.loads,
    )
    async with aclosing(pool):
        assert await arq.enqueue_job("run_turns", "CA1", _job_id="mine")
        start_worker()
        result = await pending.wait(60)
        assert result is not None
        assert result.reply.text == "you said hello"
        await wait_until(lambda: _is_gone(redis_client), "arq's record of the job is gone")


async def _is_gone(client: Redis) -> bool:
    return not await client.exists("arq:job:mine", "arq:in-progress:mine")


async def test_arqs_health_record_is_there(start_worker, redis_client: Redis) -> None:
    start_worker()
    await wait_until(lambda: redis_client.get("arq:queue:health-check"), "arq's health record is written")


async def test_a_job_written_with_pickle_is_answered_and_not_lost(start_worker, redis_url: str) -> None:
    pool = ConnectionPool.from_url(redis_url)
    async with aclosing(pool):
        job = await ArqRedis(pool_or_conn=pool).enqueue_job("run_turns", "CA1")
        assert job is not None
        start_worker()
        with pytest.raises(SerializationError, match=r"never unpickles.*workers\.producer_pool"):
            await job.result(timeout=30, poll_delay=0.05)


async def test_our_pool_enqueues_reads_the_queue_and_gets_results(start_worker, dispatcher, redis_url: str) -> None:
    await submit_by(dispatcher, a_turn("t1"), opening={"channel": "api"})
    async with workers.producer_pool(load_settings(use_redis=True, redis_url=redis_url)) as pool:
        job = await pool.enqueue_job("run_turns", "CA1")
        lost = await pool.enqueue_job("no_such_function")
        assert job is not None
        assert lost is not None
        assert {queued.function for queued in await pool.queued_jobs()} == {"run_turns", "no_such_function"}
        start_worker()
        assert await job.result(timeout=30, poll_delay=0.05) is None
        with pytest.raises(SerializationError, match="not found"):
            await lost.result(timeout=30, poll_delay=0.05)


def test_arqs_own_check_finds_a_worker(start_worker, redis_url: str, redis_server) -> None:
    def check() -> int:
        environment = clean_environment(USE_REDIS="true", REDIS_URL=redis_url)
        code = "import sys; from arq.cli import cli; sys.argv[0] = 'arq'; cli()"
        command = [sys.executable, "-c", code, "--check", "workers.WorkerSettings"]
        return subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode

    assert check() == 1
    start_worker()
    wait_until_sync(lambda: check() == 0, "arq's check is content", 60)


@pytest.mark.parametrize(
    "url", ["redis-cluster://a:1", "rediss-sentinel://a:1/m", "redis-sentinel://a:1/m?sentinel_password=x"]
)
def test_where_arq_cannot_connect_its_check_says_what_can(url: str) -> None:
    with pytest.raises(BadSetting, match="voiceagent doctor"):
        worker_settings(load_settings(use_redis=True, redis_url=url))
