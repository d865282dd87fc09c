"""`voiceagent rollout`: the versions of the workers as a table, and what an operator changes."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.reported_workers import pin_call, report_worker
from support.terminal import at_a_terminal, run_script

from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.redis import RedisStateManager
from orchestrator.worker_versions.changes import promoted
from orchestrator.worker_versions.redis.plan_store import RolloutPlans

pytestmark = pytest.mark.processes

HEADINGS = "VERSION STATE NEW CALLS WORKERS CALLS TURNS FAILED"


@pytest.fixture
def redis_url(each_redis_url: str) -> str:
    return each_redis_url


@pytest.fixture
def redis_client(each_redis_client: Redis) -> Redis:
    return each_redis_client


@pytest.fixture
def plans(redis_client: Redis) -> RolloutPlans:
    return RolloutPlans(StoreConnection(redis_client, nullcontext), shards_of(redis_client))


@pytest.fixture
def rollout(redis_url: str, tmp_path: Path):
    """`voiceagent rollout ARGUMENTS`: exit code, output, errors."""
    settings = {"USE_REDIS": "true", "REDIS_URL": redis_url}
    return lambda *arguments: run_script("rollout", *arguments, cwd=tmp_path, settings=settings)


async def two_versions(redis: Redis) -> None:
    """Two workers of a, one of which drains, and one of b."""
    await report_worker(redis, "w1", "a", outcomes={"turns": 812, "seen": 50, "failed": 1})
    await report_worker(redis, "w2", "a", draining=True, outcomes={"turns": 9, "seen": 9, "failed": 0})
    await report_worker(redis, "w3", "b", outcomes={"turns": 4, "seen": 4, "failed": 2})


def rows(output: str) -> list[str]:
    """The lines of an answer, with single blanks, but the one that says how old the plan is."""
    return [" ".join(line.split()) for line in output.splitlines() if line and not line.startswith("Revision ")]


async def test_without_a_plan_each_version_that_runs_gets_new_calls(rollout, redis_client) -> None:
    await two_versions(redis_client)
    code, output, errors = await rollout()
    assert (code, errors) == (0, "")
    assert rows(output) == [
        HEADINGS,
        "a current any 1 + 1 draining 0 821 2 % of 59",
        "b current any 1 0 4 50 % of 4",
        "New calls begin at any version: there is no rollout plan.",
    ]
    assert "\x1b" not in output


async def test_what_somebody_else_wrote_does_not_control_the_terminal(rollout, redis_client, plans) -> None:
    await report_worker(redis_client, "w1", "\x1b[31ma", outcomes={"turns": "many", "seen": -1, "failed": True})
    for shard in shards_of(redis_client):
        await redis_client.hset(shard.rollout, mapping={"current": "\x1b[31m", "revision": "x"})
        await redis_client.expire(shard.rollout, 100)
    code, output, errors = await rollout()
    assert (code, errors) == (0, "")
    assert rows(output)[1:] == [
        "\\x1b[31ma current any 1 0 0 -",
        "New calls begin at any version: there is no rollout plan.",
    ]
    assert "\x1b" not in (await rollout("promote", "b"))[2]


async def test_where_nobody_runs_it_says_so(rollout) -> None:
    code, output, _ = await rollout()
    assert code == 0
    assert rows(output)[0] == "No worker is alive. Start one: python -m workers"


async def test_a_version_is_ramped_promoted_and_taken_back(rollout, redis_client, plans) -> None:
    await two_versions(redis_client)
    code, output, _ = await rollout("ramp", "b", "5%")
    assert code == 0
    assert rows(output)[1:] == [
        "a current 95 % 1 + 1 draining 0 821 2 % of 59",
        "b ramping 5 % 1 0 4 50 % of 4",
        "5 % of the new calls begin at b, the others at a.",
    ]
    for command, current, previous in (("promote", "b", "a"), ("roll-back", "a", "")):
        assert (await rollout(command))[0] == 0
        plan = await plans.latest()
        assert (plan.current, plan.ramping, plan.previous) == (current, "", previous)
    assert (await rollout("promote", "b"))[0] == 0
    assert (await rollout("clear"))[0] == 0
    assert not (await plans.read()).is_active


async def test_calls_are_counted_by_the_version_that_they_are_pinned_to(rollout, redis_client) -> None:
    await two_versions(redis_client)
    states = RedisStateManager(redis_client, 100)
    for call_sid, version in (("CA1", "a"), ("CA2", "old"), ("CA3", "old"), ("CA4", ""), ("CA5", "not{a}version")):
        await states.create_state(call_sid)
        await pin_call(redis_client, call_sid, version)
    await rollout("promote", "b")
    _, output, _ = await rollout()
    assert rows(output)[1:4] == [
        "b current 100 % 1 0 4 50 % of 4",
        "a draining - 1 + 1 draining 1 821 2 % of 59",
        "old draining - 0 2 0 -",
    ]
    assert "2 calls are pinned to no version." in output


async def test_a_version_that_the_plan_has_left_and_that_has_no_calls_is_drained(rollout, redis_client) -> None:
    await two_versions(redis_client)
    await rollout("ramp", "b", "5")
    await report_worker(redis_client, "w4", "c")
    await rollout("roll-back")
    _, output, _ = await rollout("--json")
    assert {it["version"]: it["state"] for it in json.loads(output)["versions"]} == {
        "a": "current", "b": "drained", "c": "inactive",
    }  # fmt: skip


async def test_machines_get_json(rollout, redis_client) -> None:
    await two_versions(redis_client)
    await rollout("ramp", "b", "0.5%")
    code, output, _ = await rollout("--json")
    told = json.loads(output)
    assert code == 0
    assert told["changed_at"].endswith("+00:00")
    assert [said["code"] for said in told["says"]] == ["plan_ramping"]
    assert told | {"changed_at": "", "versions": [], "says": []} == {
        "revision": 1, "current": "a", "ramping": "b", "percent": 0.5, "previous": None, "changed_at": "",
        "rolled_back": None, "versions": [], "unpinned_calls": 0, "is_partial": False,
        "message": "0.5 % of the new calls begin at b, the others at a.", "concerns": [], "says": [],
    }  # fmt: skip
    assert told["versions"][1] == {
        "version": "b", "state": "ramping", "percent": 0.5, "workers": 1, "draining_workers": 0, "calls": 0, "turns": 4,
        "last_turns": {"seen": 4, "failed": 2}, "failure_rate": 0.5,
    }  # fmt: skip


async def test_what_the_workers_have_rolled_back_is_told(rollout, redis_client, plans) -> None:
    await two_versions(redis_client)
    await rollout("ramp", "b", "20%")
    await plans.report(await plans.read(), "w1", "a", 1, [False] * 49 + [True])
    assert (await plans.report(await plans.read(), "w3", "b", 1, [True] * 20)).ends_ramp
    _, output, _ = await rollout()
    assert (
        "b was rolled back by the workers: 20 of its last 20 turns failed, and 1 of the last 50 of a. "
        "The log of its workers has the errors (agent.failed)."
    ) in output
    assert json.loads((await rollout("--json"))[1])["rolled_back"] == {
        "version": "b", "turns": {"seen": 20, "failed": 20}, "current_turns": {"seen": 50, "failed": 1},
    }  # fmt: skip


async def test_a_current_version_that_nobody_runs_is_told(rollout, redis_client) -> None:
    await two_versions(redis_client)
    await rollout("promote", "b")
    await redis_client.delete(keys.worker_status("w3"))
    _, output, _ = await rollout()
    assert "No worker runs b, so any worker takes its calls. Start workers with WORKER_VERSION=b" in output


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("ramp", "c", "5%"), 1, "No worker runs c. These run: a, b. Start workers with WORKER_VERSION=c first."),
        (("ramp", "b", "0"), 2, "'0' is no percentage: say a number above 0 and at most 100, such as 5% or 0.5%."),
        (("ramp", "b", "much"), 2, "'much' is no percentage"),
        (("ramp", "b"), 2, "Say which version, and how many of the new calls: voiceagent rollout ramp V 5%"),
        (("ramp", "b\x1b[31m", "5%"), 1, "cannot be a version"),
        (("promote",), 1, "No version is ramping, so say which one to promote: voiceagent rollout promote VERSION"),
        (("promote", "c"), 1, "No worker runs c."),
        (("promote", "b", "5%"), 2, "promote takes no percentage."),
        (("roll-back",), 1, "There is nothing to roll back: no version is ramping, and none was just promoted."),
        (("roll-back", "b"), 2, "roll-back takes no version."),
        (("clear",), 1, "There is no rollout plan: new calls are anyone's already."),
        (("ramp", "b", "5%", "--revision", "7"), 1, "The rollout plan has revision 0, and you have seen 7"),
        (("widen", "b"), 2, "invalid choice: 'widen'"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_one_sentence(
    rollout, redis_client, plans, arguments, code, sentence
) -> None:
    await two_versions(redis_client)
    got, output, errors = await rollout(*arguments)
    assert (got, output) == (code, "")
    assert sentence in errors
    assert "\x1b" not in errors
    assert "Traceback" not in errors
    assert (await plans.latest()).revision == 0


async def test_a_version_of_an_operators_own_seeing_is_not_overwritten(rollout, redis_client) -> None:
    await two_versions(redis_client)
    assert (await rollout("ramp", "b", "5%", "--revision", "0"))[0] == 0
    code, _, errors = await rollout("promote", "b", "--revision", "0")
    assert code == 1
    assert "somebody else has changed it" in errors


async def test_without_redis_and_while_it_is_down_it_says_so(tmp_path: Path) -> None:
    code, _, errors = await run_script("rollout", cwd=tmp_path, settings={"USE_REDIS": "false"})
    assert code == 2
    assert errors.startswith("voiceagent: USE_REDIS is not true here, so there are no workers")
    down = {"USE_REDIS": "true", "REDIS_URL": "redis://127.0.0.1:1/0"}
    code, _, errors = await run_script("rollout", "ramp", "b", "5%", cwd=tmp_path, settings=down)
    assert code == 1
    assert errors.startswith("voiceagent: Redis refuses the connection.")
    assert errors.count("\n") == 1


async def test_at_a_terminal_it_can_be_watched_until_ctrl_c(redis_url, redis_client, plans, tmp_path) -> None:
    await two_versions(redis_client)
    settings = {"USE_REDIS": "true", "REDIS_URL": redis_url}
    async with at_a_terminal("rollout", "--watch", cwd=tmp_path, settings=settings) as terminal:
        await terminal.shows("there is no rollout plan")
        assert await redis_client.exists(keys.WATCHED), "workers report each second"
        before = await plans.read()
        await plans.change(before, promoted(before, "b", {"a", "b"}))
        await terminal.shows("New calls begin at b.")
        terminal.type("\x03")
        assert await terminal.exit_code() == 130
