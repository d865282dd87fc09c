"""Processes are killed and frozen: who has only the API learns which, when, which calls noticed, and by how much."""

import asyncio
import signal
from typing import Any

import pytest
from redis.asyncio import Redis
from support.cluster_deployment import ClusterDeployment
from support.line import lost
from support.waiting import wait_until

from orchestrator.redis import incident_keys, keys

pytestmark = pytest.mark.processes


class Told:
    """The incidents of a deployment, as its API lists them."""

    def __init__(self, caller, at: int = 0) -> None:
        self._caller = caller
        self._at = at

    async def all(self) -> list[dict[str, Any]]:
        answer: dict[str, Any] = await self._caller.ask("/incidents", at=self._at)
        incidents: list[dict[str, Any]] = answer["incidents"]
        return incidents

    async def about(self, pid: int, kind: str) -> dict[str, Any] | None:
        found = [it for it in await self.all() if it["process"] and it["process"]["pid"] == pid and it["kind"] == kind]
        assert len(found) <= 1, found
        return found[0] if found else None

    async def noticed(self, pid: int, kind: str) -> dict[str, Any]:
        """Return the incident once a call has noticed it."""

        async def is_there() -> bool:
            found = await self.about(pid, kind)
            return found is not None and found["calls_count"] > 0

        await wait_until(is_there, f"a call has noticed that {pid} is {kind}")
        found = await self.about(pid, kind)
        assert found is not None
        return found


def pid_of(member) -> int:
    return member.running.process.pid


async def asked_what_takes_time(caller, strings) -> asyncio.Task[Any]:
    """Return what the caller waits for: the agent is at work on it, and stays until `strings.go("gate")`."""
    await caller.ring()
    asked = asyncio.create_task(caller.say(1, "wait for gate"))
    await wait_until(lambda: strings.is_running("gate"), "the agent is at work")
    return asked


async def is_silent(caller, pid: int) -> bool:
    """Return whether the process has reported nothing for a while."""
    processes = (await caller.ask("/processes", at=1))["processes"]
    return any(it["pid"] == pid and it["state"] == "silent" for it in processes)


async def pid_of_holder(deployment, caller) -> int:
    """Return the process id of the worker that has the call."""
    async with Redis.from_url(deployment.redis.url) as redis:
        holder = (await redis.hget(keys.call("CA1").lease, "holder")).decode()
    return next(it["pid"] for it in (await caller.ask("/processes"))["processes"] if it["id"] == holder)


async def named_killed_worker(deployment, caller, strings) -> dict[str, Any]:
    """Kill the one worker while it answers a call. Return its incident, which names that call."""
    asked = await asked_what_takes_time(caller, strings)
    killed = pid_of(deployment.workers[0])
    await deployment.workers[0].kill()
    strings.go("gate")
    assert await caller.words(await asked) == "Well. You said wait for gate."
    incident = await Told(caller).noticed(killed, "worker_lost")
    (call,) = incident["calls"]
    assert (call["call_sid"], call["turn_id"], call["how"]) == ("CA1", "turn-1", "run_again")
    return incident


async def test_a_killed_worker_is_named_with_the_call_that_noticed_it(deploy, line, strings) -> None:
    deployment = await deploy(webs=1, workers=1)
    caller = line(deployment)
    incident = await named_killed_worker(deployment, caller, strings)
    (call,) = incident["calls"]
    (record,) = [it for it in (await caller.state())["turns"] if it["turn_id"] == "turn-1"]
    assert (record["attempts"], record["worker"] != incident["process"]["id"]) == (2, True)
    (fault,) = record["absorbed"]
    assert (fault["fault"], fault["process"]) == ("worker_lost", incident["process"]["id"])
    assert call["ms"] == fault["lost_ms"] > 0
    assert "gate" not in str(incident)


async def test_a_frozen_worker_stood_still_and_is_not_lost(deploy, line, strings) -> None:
    deployment = await deploy(webs=1, workers=2)
    caller = line(deployment)
    asked = await asked_what_takes_time(caller, strings)
    holder = await pid_of_holder(deployment, caller)
    (frozen,) = [it for it in deployment.workers if pid_of(it) == holder]

    frozen.signal(signal.SIGSTOP)
    strings.go("gate")
    assert await caller.words(await asked) == "Well. You said wait for gate."
    frozen.signal(signal.SIGCONT)

    incident = await Told(caller).noticed(holder, "worker_frozen")
    assert incident["until"] > incident["at"]
    assert [it["how"] for it in incident["calls"]] == ["run_again"]


async def test_a_killed_ingress_is_named_with_the_webhook_that_came_again(deploy, line, strings) -> None:
    deployment = await deploy(webs=2, workers=1)
    caller = line(deployment)
    asked = await asked_what_takes_time(caller, strings)
    killed = pid_of(deployment.webs[0])

    await deployment.webs[0].kill()
    await lost(asked)
    retried = asyncio.create_task(caller.say(1, "wait for gate", at=1))
    strings.go("gate")
    await caller.words(await retried, at=1)

    incident = await Told(caller, at=1).noticed(killed, "ingress_lost")
    (call,) = incident["calls"]
    assert (call["call_sid"], call["turn_id"], call["how"]) == ("CA1", "turn-1", "repeated")
    assert call["ms"] > 0


async def test_an_ordinary_call_is_in_no_incident(deploy, line) -> None:
    deployment = await deploy(webs=1, workers=1)
    caller = line(deployment)
    await caller.ring()
    await caller.say(1, "hello")
    kinds = {"ingress_started", "worker_started"}

    async def both() -> bool:
        return kinds <= {it["kind"] for it in await Told(caller).all()}

    await wait_until(both, "both processes are listed as started")
    told = await Told(caller).all()
    assert {it["kind"] for it in told} == kinds
    assert all(it["calls_count"] == 0 for it in told)


@pytest.mark.parametrize("role", ["worker", "ingress"])
async def test_a_process_that_is_frozen_and_then_killed_is_in_both_incidents(deploy, line, role: str) -> None:
    deployment = await deploy(webs=2, workers=2)
    caller = line(deployment)
    await caller.ring(at=1)
    member = (deployment.webs if role == "ingress" else deployment.workers)[0]
    pid, told = pid_of(member), Told(caller, at=1)

    member.signal(signal.SIGSTOP)
    await wait_until(lambda: is_silent(caller, pid), "the others see that it is silent")
    member.signal(signal.SIGCONT)
    await wait_until(lambda: told.about(pid, f"{role}_frozen"), "it says that it stood still")
    await member.kill()

    await wait_until(lambda: told.about(pid, f"{role}_lost"), "it is told as lost")
    frozen, lost = await told.about(pid, f"{role}_frozen"), await told.about(pid, f"{role}_lost")
    assert frozen is not None
    assert lost is not None
    assert frozen["at"] < frozen["until"] < lost["at"]
    seconds = float(frozen["message"].rpartition(" for ")[2].removesuffix(" s."))
    assert seconds > 2


async def test_an_outage_of_redis_is_one_incident_with_every_call_that_waited_for_it(deploy, line, strings) -> None:
    deployment = await deploy(webs=2, workers=2)
    running, asking = line(deployment), line(deployment, "CA2")
    await asking.ring(at=1)
    asked = await asked_what_takes_time(running, strings)

    await asyncio.to_thread(deployment.redis.stop)
    strings.go("gate")  # its reply is there, and cannot be saved
    filler = await asking.say(1, "are you there", at=1)
    assert "<Redirect" in filler.text
    await asyncio.to_thread(deployment.redis.start)
    assert await running.words(await asked) == "Well. You said wait for gate."
    assert await asking.words(filler, at=1) == "You said are you there."

    told = Told(running)

    async def both_are_told() -> bool:
        return {call["call_sid"] for it in await told.all() for call in it["calls"]} == {"CA1", "CA2"}

    await wait_until(both_are_told, "both calls have noticed the outage")
    (outage,) = [it for it in await told.all() if it["calls_count"]]
    assert (outage["kind"], outage["process"]) == ("redis_outage", None)
    assert outage["at"] < outage["until"]
    assert {it["call_sid"]: it["turn_id"] for it in outage["calls"]} == {"CA1": "turn-1", "CA2": "turn-1"}
    assert all(it["ms"] > 0 for it in outage["calls"])
    assert not [it["kind"] for it in await told.all() if it["kind"].endswith(("_lost", "_frozen", "_unable"))]


async def test_a_client_that_asks_twice_blames_no_ingress_that_never_had_the_call(deploy, line) -> None:
    deployment = await deploy(webs=2, workers=1)
    caller = line(deployment)
    await caller.ring()
    answer = await caller.words(await caller.say(1, "hello"))
    bystander = pid_of(deployment.webs[1])
    await deployment.webs[1].kill()
    assert await caller.words(await caller.say(1, "hello")) == answer

    told = Told(caller)
    await wait_until(lambda: told.about(bystander, "ingress_lost"), "the loss is told")
    async with Redis.from_url(deployment.redis.url) as redis:
        await wait_until(lambda: redis.lrange(incident_keys.LOOSE_NOTICES, 0, -1), "the second request is noted")
    assert [it["kind"] for it in await told.all() if it["calls_count"]] == []


async def test_a_worker_that_is_killed_over_a_cluster_is_named_as_over_one_server(line, strings, tmp_path) -> None:
    async with ClusterDeployment(
        webs=1, workers=1, AGENT="support.puppet:reply", STAGE=str(strings.directory)
    ) as deployment:
        await named_killed_worker(deployment, line(deployment), strings)
