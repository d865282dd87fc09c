"""The gate is closed while the caller's words are on the way to the store, and for some time after."""

import asyncio

import pytest

from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.dispatch.hub import Pending
from web.twilio.relay.output_gate import OutputGate

LONG = 3600.0
SHORT = 0.01


def waiting(gate: OutputGate, pending: Pending) -> "asyncio.Task[None]":
    return asyncio.create_task(gate.wait_clear(pending))


async def some_time_passes(pending: Pending) -> None:
    for _ in range(10):
        await pending.wait(SHORT)


def settle(pending: Pending) -> None:
    pending.settle(TurnResult(call_sid="CA1", turn_id="t1", outcome="interrupted", reply=Reply()))


async def test_a_gate_that_was_never_paused_is_open() -> None:
    await asyncio.wait_for(OutputGate(LONG).wait_clear(Pending("CA1", "t1")), 5)


async def test_each_pause_needs_a_resume() -> None:
    gate, pending = OutputGate(SHORT), Pending("CA1", "t1")
    gate.pause()
    gate.pause()
    gate.resume()
    assert gate.is_paused
    task = waiting(gate, pending)
    await some_time_passes(pending)
    assert not task.done()
    gate.resume()
    assert not gate.is_paused
    await asyncio.wait_for(task, 5)


async def test_the_gate_stays_closed_for_the_grace_time() -> None:
    gate, pending = OutputGate(LONG), Pending("CA1", "t1")
    gate.pause()
    gate.resume()
    task = waiting(gate, pending)
    await some_time_passes(pending)
    assert not task.done()
    task.cancel()


async def test_where_storing_the_words_took_long_the_grace_time_is_as_long_up_to_a_limit() -> None:
    gate, pending = OutputGate(SHORT, max_grace_seconds=5 * SHORT), Pending("CA1", "t1")
    gate.pause()
    await some_time_passes(pending)
    began = asyncio.get_running_loop().time()
    gate.resume()
    await gate.wait_clear(pending)
    assert asyncio.get_running_loop().time() - began >= 4 * SHORT


async def test_a_pause_during_the_grace_time_closes_the_gate_again() -> None:
    gate, pending = OutputGate(SHORT), Pending("CA1", "t1")
    gate.pause()
    gate.resume()
    task = waiting(gate, pending)
    gate.pause()
    await some_time_passes(pending)
    assert not task.done()
    gate.resume()
    await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("is_resumed", [False, True])
async def test_a_reply_that_has_its_result_does_not_wait(is_resumed: bool) -> None:
    gate, pending = OutputGate(LONG), Pending("CA1", "t1")
    gate.pause()
    if is_resumed:
        gate.resume()
    task = waiting(gate, pending)
    await asyncio.sleep(0)
    settle(pending)
    await asyncio.wait_for(task, 5)
