"""A worker that is told to drain: by a message, or by the order that its next report finds."""

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis
from support.waiting import wait_until

from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.processes.redis.drain import order_drain
from orchestrator.processes.redis.reports import list_processes, read_reports
from orchestrator.redis import keys
from orchestrator.testing.turn_store_contract import a_turn

pytestmark = pytest.mark.processes


async def speak(dispatcher, turn_id: str):
    return await submit_by(dispatcher, a_turn(turn_id, text="hello"), opening={"channel": "api"})


async def speaker(pending) -> str:
    """What was said, and by which process."""
    result = await pending.wait(60)
    assert result is not None, "no result came"
    return str(result.reply.text)


async def first_id(redis: Redis) -> str:
    """The id of the only worker, once it reports that it is there."""
    await wait_until(lambda: list_processes(redis), "the worker reports", timeout=60)
    (process,) = await list_processes(redis)
    return str(process["id"])


async def test_a_worker_that_is_told_finishes_its_turn_and_leaves_the_others(
    start_worker, dispatcher, redis_client: Redis, tmp_path, runs
) -> None:
    leaving = start_worker("slow")
    worker_id = await first_id(redis_client)
    (process,) = await list_processes(redis_client)
    assert (process["role"], process["pid"], process["slots"]) == ("worker", leaving.pid, 100)
    at_hand = await speak(dispatcher, "t1")
    await wait_until(lambda: runs() == ["t1"], "the first turn runs")
    told = await order_drain(redis_client, worker_id)
    assert told["state"] == "draining"
    await wait_until(lambda: bool(leaving.events("worker.told_to_drain")), "the worker hears of it")
    waiting = await speak(dispatcher, "t2")
    (tmp_path / "go").touch()
    assert str(leaving.pid) in await speaker(at_hand)
    assert await asyncio.to_thread(leaving.wait_exit) == 0
    assert waiting.result is None
    staying = start_worker("slow")
    assert str(staying.pid) in await speaker(waiting)
    assert "left_at" in (await read_reports(redis_client))[worker_id]
    assert not await redis_client.exists(keys.drain_order(worker_id))


async def test_an_order_whose_message_was_lost_is_found_with_a_report(start_worker, redis_client: Redis) -> None:
    worker = start_worker()
    worker_id = await first_id(redis_client)
    await redis_client.set(keys.drain_order(worker_id), 1, ex=100)
    await wait_until(lambda: bool(worker.events("worker.told_to_drain")), "it reports", timeout=60)
    assert await asyncio.to_thread(worker.wait_exit) == 0


async def test_a_killed_worker_stays_in_the_list(start_worker, redis_client: Redis) -> None:
    worker = start_worker()
    worker_id = await first_id(redis_client)
    worker.kill()
    report: dict[str, Any] = json.loads(await redis_client.hget(keys.PROCESSES, worker_id))  # type: ignore[misc]
    assert (report["pid"], "left_at" in report) == (worker.pid, False)
