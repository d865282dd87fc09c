"""Stock arq beside our worker: its producers, its health record."""

import json
from contextlib import aclosing

import pytest
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool, Redis
from support.waiting import wait_until

from orchestrator.testing.turn_store_contract import a_turn

pytestmark = pytest.mark.processes


async def test_a_job_of_a_stock_producer_is_executed(start_worker, dispatcher, redis_url: str, redis_client) -> None:
    pending = await dispatcher.submit_by(a_turn("t1"), opening={"channel": "api"})
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
        result = await pending.wait(20)
        assert result is not None
        assert result.reply.text == "you said hello"
        await wait_until(lambda: _is_gone(redis_client), "arq's record of the job is gone")


async def _is_gone(client: Redis) -> bool:
    return not await client.exists("arq:job:mine", "arq:in-progress:mine")


async def test_arqs_health_record_is_there(start_worker, redis_client: Redis) -> None:
    start_worker()
    await wait_until(lambda: redis_client.get("arq:queue:health-check"), "arq's health record is written")
