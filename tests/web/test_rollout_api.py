"""`/rollout`: the versions of the workers, and what changes the plan that says which of them gets new calls."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from support.exposition import figure
from support.ingress import Ingress, StartIngress
from support.reported_workers import report_worker

from orchestrator.errors import StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.probe import probe


@pytest.fixture
async def ingress(redis_client: Redis, start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    """An ingress that knows workers of a and b through Redis."""
    await report_worker(redis_client, "w1", "a", outcomes={"turns": 9, "seen": 9, "failed": 0})
    await report_worker(redis_client, "w2", "b")
    async with start_ingress() as ingress, Breaker(lambda: probe(redis_client)) as breaker:
        ingress.runtime.redis, ingress.runtime.breaker = redis_client, breaker
        yield ingress


async def change(ingress: Ingress, command: str, **fields: object) -> tuple[int, dict]:
    response = await ingress.client.post(f"/rollout/{command}", json=fields)
    return response.status_code, response.json()


async def test_a_version_is_ramped_promoted_taken_back_and_the_plan_cleared(ingress: Ingress) -> None:
    response = await ingress.client.get("/rollout")
    assert response.status_code == 200
    assert [(it["version"], it["state"]) for it in response.json()["versions"]] == [("a", "current"), ("b", "current")]
    for command, fields, current, ramping, percent in (
        ("ramp", {"version": "b", "percent": "0.5%", "revision": 0}, "a", "b", 0.5),
        ("ramp", {"version": "b", "percent": 20}, "a", "b", 20),
        ("promote", {}, "b", None, 0),
        ("roll-back", {"revision": 3}, "a", None, 0),
        ("clear", {}, None, None, 0),
    ):
        status, told = await change(ingress, command, **fields)
        assert status == 200, told
        assert (told["current"], told["ramping"], told["percent"], told["shards_behind"]) == (
            current,
            ramping,
            percent,
            0,
        )
        assert told == {**(await ingress.client.get("/rollout")).json(), "shards_behind": 0}


async def test_a_command_without_fields_needs_no_body(ingress: Ingress) -> None:
    await change(ingress, "ramp", version="b", percent=5)
    response = await ingress.client.post("/rollout/promote")
    assert (response.status_code, response.json()["current"]) == (200, "b")


@pytest.mark.parametrize(
    ("command", "fields", "status", "sentence"),
    [
        ("ramp", {"version": "c", "percent": 5}, 422, "No worker runs c. These run: a, b."),
        ("ramp", {"version": "b", "percent": 0}, 422, "'0' is no percentage"),
        ("ramp", {"version": "b", "percent": True}, 422, "percent must be a number"),
        ("ramp", {"version": "b"}, 422, "'' is no percentage"),
        ("ramp", {"percent": 5}, 422, "'' cannot be a version"),
        ("ramp", {"version": 7, "percent": 5}, 422, "version must be text."),
        ("ramp", {"version": "b", "percent": 5, "revision": "1"}, 422, "revision must be a whole number"),
        ("ramp", {"version": "b", "percent": 5, "revision": 3}, 409, "The rollout plan has revision 0"),
        ("promote", {}, 422, "No version is ramping"),
        ("promote", {"percent": 5}, 422, "promote takes version and revision, not 'percent'."),
        ("roll-back", {}, 422, "There is nothing to roll back"),
        ("clear", {}, 422, "There is no rollout plan"),
        ("widen", {}, 404, "There is no such command. These are: ramp, promote, roll-back, clear."),
    ],
)
async def test_what_makes_no_sense_is_refused_in_one_sentence(ingress, command, fields, status, sentence) -> None:
    got, told = await change(ingress, command, **fields)
    assert (got, sentence in told["error"]) == (status, True), told
    assert (await ingress.client.get("/rollout")).json()["revision"] == 0


async def test_health_and_metrics_tell_of_the_plan_while_there_is_one(ingress: Ingress) -> None:
    assert "rollout" not in (await ingress.client.get("/health/detailed")).json()["checks"]
    await change(ingress, "ramp", version="b", percent=20)
    message = "20 % of the new calls begin at b, the others at a."
    params = {"current": "a", "percent": "20", "ramping": "b"}
    assert (await ingress.client.get("/health/detailed")).json()["checks"]["rollout"] == {
        "status": "healthy", "message": message, "current": "a", "ramping": "b", "percent": 20.0,
        "says": [{"code": "plan_ramping", "params": params, "message": message, "advice": ""}],
    }  # fmt: skip
    page = (await ingress.client.get("/metrics/fleet")).text
    assert figure(page, "voiceagent_rollout_new_calls_ratio", version="b") == 0.2
    assert figure(page, "voiceagent_rollout_new_calls_ratio", version="a") == 0.8
    assert "voiceagent_rollout_rolled_back{" not in page


async def test_health_and_metrics_say_when_the_workers_have_rolled_back_until_a_person_knows(ingress: Ingress) -> None:
    await change(ingress, "ramp", version="b", percent=20)
    rollouts = ingress.runtime.rollouts()
    assert rollouts is not None
    plan = await rollouts.plans.read()
    assert (await rollouts.plans.report(plan, "w2", "b", 1, [True] * 20)).ends_ramp
    check = (await ingress.client.get("/health/detailed")).json()["checks"]["rollout"]
    assert (check["status"], check["current"], check["ramping"]) == ("degraded", "a", None)
    assert "b was rolled back by the workers: 20 of its last 20 turns failed" in check["message"]
    assert figure((await ingress.client.get("/metrics/fleet")).text, "voiceagent_rollout_rolled_back", version="b") == 1
    assert (await change(ingress, "promote", version="a"))[0] == 200
    assert (await ingress.client.get("/health/detailed")).json()["checks"]["rollout"]["status"] == "healthy"


async def test_without_redis_there_are_no_versions(start_ingress: StartIngress) -> None:
    async with start_ingress() as ingress:
        for response in (await ingress.client.get("/rollout"), await ingress.client.post("/rollout/promote")):
            assert response.status_code == 404
            assert response.json()["error"].startswith("There are no versions of workers: USE_REDIS is false")


async def test_while_redis_is_down_it_answers_503(ingress: Ingress) -> None:
    def fail() -> None:
        raise StoreUnavailable

    assert ingress.runtime.breaker is not None
    ingress.runtime.breaker.guard = fail  # type: ignore[method-assign, assignment]
    response = await ingress.client.get("/rollout")
    assert response.status_code == 503
    assert response.headers["retry-after"]


async def test_it_needs_the_key(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        for response in (await ingress.client.get("/rollout"), await ingress.client.post("/rollout/roll-back")):
            assert response.status_code == 401
