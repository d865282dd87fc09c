"""Redis is killed and comes back with what its append-only file holds."""

import asyncio
from functools import partial

import pytest
from support.dispatchers import open_dispatcher
from support.waiting import wait_until

from orchestrator.conversation.turn import Turn
from orchestrator.redis import keys

pytestmark = pytest.mark.processes


async def test_turns_in_flight_complete_after_a_restart_and_nothing_acknowledged_is_lost(deploy, line, strings):
    deployment = await deploy(webs=2, workers=2)
    callers = [line(deployment, f"CA{n}") for n in range(8)]
    await asyncio.gather(*(caller.ring() for caller in callers))
    turns = [asyncio.create_task(caller.say(1, "wait for gate", at=n % 2)) for n, caller in enumerate(callers)]
    await wait_until(lambda: sum(deployment.runs.values()) == 16, "every agent is at work")
    pids = [member.running.process.pid for member in deployment.members]

    await asyncio.to_thread(deployment.redis.kill)
    strings.go("gate")  # the replies are ready while there is nowhere to put them
    late = asyncio.create_task(callers[0].say(2, "are you there", at=1))
    await asyncio.to_thread(deployment.redis.start)

    for caller, turn in zip(callers, turns, strict=True):
        assert await caller.words(await turn) == "Well. You said wait for gate."
    assert await callers[0].words(await late, at=1) == "You said are you there."
    for caller in callers[1:]:
        assert await caller.recorded() == [("start", "replied"), ("turn-1", "replied")]
    assert (await callers[0].state())["slots"]["seen"] == ["turn-1", "turn-2"]
    assert [member.running.process.pid for member in deployment.members] == pids


async def test_a_turn_that_redis_took_and_lost_is_handed_over_again(redis_url, redis_client):
    """As after a failover to a replica that lagged behind."""
    call = keys.call("CA1")
    turn = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="hello")
    async with open_dispatcher(redis_url, "ingress") as dispatcher:
        pending = await dispatcher.submit(turn, opening={"channel": "api"})
        await redis_client.delete(call.turns, call.inbox)

        await wait_until(lambda: redis_client.lrange(call.inbox, 0, -1), "the turn waits again")
        assert await redis_client.lrange(call.inbox, 0, -1) == [b"t1"]

        pending.submit_again = partial(dispatcher.store.submit, turn)  # this turn did not begin the call
        await redis_client.delete(*call.all)  # and now all of that is lost
        result = await pending.wait(60)
    assert result is not None
    assert result.outcome == "dropped"
