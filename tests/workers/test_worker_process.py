"""What a caller hears when workers are killed, frozen, drained or crash, or when Redis is down."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.dispatchers import open_dispatcher
from support.waiting import wait_until

from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.redis import keys
from orchestrator.testing.turn_store_contract import a_turn
from orchestrator.turns.outcome import APOLOGY

pytestmark = pytest.mark.processes


async def first_token(pending) -> str:
    async with asyncio.timeout(60):
        async for token in pending.tokens():
            return token
    raise AssertionError("the reply ended without a token")


async def result_of(pending, timeout: float = 60) -> TurnResult:
    result = await pending.wait(timeout)
    assert result is not None, "no result came"
    return result


def speaker(result: TurnResult) -> tuple[str, int]:
    """Return what has said all of the reply, and its pid: a worker, or a process for turns of lost workers."""
    words = result.reply.text.split()
    assert words == ["first", "words", "by", words[3], "last", "words", "by", words[3]]
    pid = int(words[3])
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if b"orchestrator.agents.process_child" not in command:
        return "", pid
    return "a process of", int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def speak(dispatcher: QueuedDispatcher, turn_id: str, text: str = "hello", **options):
    return await submit_by(dispatcher, a_turn(turn_id, text=text), opening={"channel": "api"}, **options)


async def test_a_turn_of_a_worker_killed_while_it_speaks_is_said_once(
    start_worker, dispatcher, states, tmp_path
) -> None:
    first = start_worker("slow")
    pending = await speak(dispatcher, "t1", stream=True)
    await first_token(pending)
    first.kill()
    second = start_worker("slow")
    (tmp_path / "go").touch()
    result = await result_of(pending)
    assert speaker(result) == ("a process of", second.pid)
    state = await states.get_state("CA1")
    assert [(record.turn_id, record.epoch, record.outcome) for record in state.turns] == [("t1", 2, "replied")]


async def test_a_worker_frozen_past_its_lease_neither_commits_nor_publishes(
    start_worker, dispatcher, states, tmp_path
) -> None:
    frozen = start_worker("slow")
    pending = await speak(dispatcher, "t1", stream=True)
    tokens = pending.tokens()
    async with asyncio.timeout(120):
        said = await anext(tokens)
        frozen.freeze()
        other = start_worker("slow")
        assert said not in await anext(tokens), "the other worker speaks"
    frozen.thaw()
    await asyncio.to_thread(frozen.wait_for_event, "turn.lease_lost")
    (tmp_path / "go").touch()
    result = await result_of(pending)
    assert speaker(result) == ("a process of", other.pid)
    state = await states.get_state("CA1")
    assert len(state.turns) == 1
    (await result_of(await speak(dispatcher, "t2")))
    assert frozen.is_running


async def test_a_drained_worker_finishes_its_turn_and_leaves_queued_turns_to_others(
    start_worker, dispatcher, states, tmp_path, runs
) -> None:
    leaving = start_worker("slow")
    at_hand = await speak(dispatcher, "t1", stream=True)
    await first_token(at_hand)
    waiting = await speak(dispatcher, "t2")
    leaving.terminate()
    await wait_until(lambda: runs() == ["t1"], "the first turn runs")
    (tmp_path / "go").touch()
    assert str(leaving.pid) in (await result_of(at_hand)).reply.text
    assert await asyncio.to_thread(leaving.wait_exit) == 0
    assert waiting.result is None
    staying = start_worker("slow")
    assert str(staying.pid) in (await result_of(waiting)).reply.text
    assert runs() == ["t1", "t2"]


async def test_an_idle_worker_that_stops_leaves_the_list_of_workers(start_worker, redis_client: Redis) -> None:
    worker = start_worker()
    await wait_until(lambda: redis_client.zcard(keys.WORKERS), "the worker gives a sign of life")
    worker.send(signal.SIGINT)
    assert await asyncio.to_thread(worker.wait_exit) == 0
    assert await redis_client.zcard(keys.WORKERS) == 0


async def test_a_turn_that_crashes_its_worker_crashes_no_second_one_and_gets_an_apology(
    start_worker, dispatcher, states, tmp_path, redis_client: Redis
) -> None:
    pending = await speak(dispatcher, "t1", text="die", stream=True)
    first = start_worker("deadly")
    (tmp_path / "go").touch()
    assert await asyncio.to_thread(first.wait_exit) == -signal.SIGKILL
    second = start_worker("deadly")
    result = await result_of(pending)
    assert result.outcome == "failed"
    assert result.reply.text in (APOLOGY, f"argh {APOLOGY}"), "the last attempt may die before its word has left it"
    assert second.is_running
    assert len(second.events("turn.tried_apart")) == 1, "once beside other suspects, and once alone"
    letter = json.loads(await redis_client.hget(keys.DEAD_LETTERS, "CA1/t1"))
    assert letter["attempts"] == 3
    assert (await result_of(await speak(dispatcher, "t2"))).reply.text == "you said hello"
    state = await states.get_state("CA1")
    assert [record.outcome for record in state.turns] == ["failed", "replied"]


async def test_a_turn_at_two_ingresses_twenty_times_is_run_once(start_worker, dispatchers, states, runs) -> None:
    start_worker()
    start_worker()
    pendings = await asyncio.gather(*(speak(dispatchers[n % 2], "t1") for n in range(20)))
    results = await asyncio.gather(*(result_of(pending) for pending in pendings))
    assert all(result == results[0] for result in results)
    assert runs() == ["t1"]
    assert len((await states.get_state("CA1")).turns) == 1


async def test_a_turn_whose_wake_up_is_lost_is_run(start_worker, dispatcher, redis_client: Redis) -> None:
    pending = await speak(dispatcher, "t1")
    await redis_client.delete(keys.QUEUE, keys.wake_list(), "arq:job:turns:CA1")
    start_worker()
    assert (await result_of(pending)).reply.text == "you said hello"


async def test_an_idle_worker_outlives_its_redis(start_worker, start_redis) -> None:
    redis = start_redis("--appendonly", "yes", "--appendfsync", "always")
    worker = start_worker(url=redis.url)
    redis.kill()
    await asyncio.to_thread(worker.wait_for_event, "worker.redis_down")
    redis.start()
    async with open_dispatcher(redis.url, "one") as dispatcher:
        assert (await result_of(await speak(dispatcher, "t1"))).reply.text == "you said hello"
    assert len(worker.events("worker.redis_down")) == 1


async def test_a_turn_survives_a_restart_of_redis_while_it_is_run(start_worker, start_redis, tmp_path, runs) -> None:
    redis = start_redis("--appendonly", "yes", "--appendfsync", "always")
    worker = start_worker("slow", url=redis.url)
    async with open_dispatcher(redis.url, "one") as dispatcher:
        pending = await speak(dispatcher, "t1", stream=True)
        await first_token(pending)
        redis.restart(kill=True)
        (tmp_path / "go").touch()
        result = await result_of(pending)
        assert result.outcome == "replied"
        assert result.reply.text == f"first words by {worker.pid} last words by {worker.pid}"
    assert worker.is_running


async def test_a_call_with_an_unreadable_state_harms_no_other_call(
    start_worker, dispatcher, redis_client: Redis
) -> None:
    worker = start_worker(LOG_LEVEL="INFO")
    await result_of(await speak(dispatcher, "t1", text="my secret"))
    unreadable = (await redis_client.get(keys.state("CA1"))).replace(b'"turns":[', b'"turns":["my secret",')
    await redis_client.set(keys.state("CA1"), unreadable, ex=60)
    pending = await speak(dispatcher, "t2", text="my secret")
    result = await result_of(pending)
    assert (result.outcome, result.reply.text) == ("failed", APOLOGY)
    assert await redis_client.hkeys(keys.DEAD_LETTERS) == [b"CA1/t2"]
    assert await dispatcher.store.waiting("CA1") == []
    assert await redis_client.get(keys.state("CA1")) == unreadable
    other = await submit_by(dispatcher, a_turn("t1", call_sid="CA2"), opening={"channel": "api"})
    assert (await result_of(other)).outcome == "replied"
    assert worker.is_running
    assert "my secret" not in worker.log
    assert len(worker.events("state.unreadable")) == 3


async def test_a_status_of_a_newer_version_stays_as_it_is(start_worker, dispatcher, redis_client: Redis) -> None:
    start_worker()
    await result_of(await speak(dispatcher, "t1"))
    newer = (await redis_client.get(keys.state("CA1"))).replace(b'"status":"active"', b'"status":"paused"')
    await redis_client.set(keys.state("CA1"), newer, ex=60)
    assert (await result_of(await speak(dispatcher, "t2"))).outcome == "replied"
    assert b'"status":"paused"' in await redis_client.get(keys.state("CA1"))
