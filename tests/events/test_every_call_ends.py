"""Real processes and a receiver of webhooks: each call that was accepted is told to have ended, exactly once."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from support.deployment import API_KEY, TOKEN, Deployment
from support.line import Line, lost
from support.puppet import STAGE, Strings
from support.told_events import SECRET, ToldEvents, expire, let_time_pass, look_now
from support.twilio_api import ACCOUNT, twilio_api
from support.waiting import wait_until
from support.webhook_receiver import breaks_off, status

from orchestrator.redis import keys

pytestmark = pytest.mark.processes

VERIFY_IN_NODE = """
const { Webhook } = require("standardwebhooks");
const requests = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const { headers, body } of requests) console.log(new Webhook(process.argv[1]).verify(body, headers).type);
"""


@pytest.fixture
async def told() -> AsyncIterator[ToldEvents]:
    async with ToldEvents() as events:
        yield events


@pytest.fixture
def strings(tmp_path: Path) -> Strings:
    return Strings(tmp_path)


@pytest.fixture
async def deployment(told: ToldEvents, strings: Strings) -> AsyncIterator[Deployment]:
    """Two ingresses and two workers."""
    settings = {"AGENT": "support.puppet:reply", STAGE: str(strings.directory), **told.settings}
    async with Deployment(webs=2, workers=2, **settings) as running:
        yield running
    assert not running.exits
    shutil.rmtree(running.directory, ignore_errors=True)


async def kill_who_runs_turns(deployment: Deployment) -> None:
    """SIGKILL every worker; they come again."""
    await asyncio.gather(*(worker.kill() for worker in deployment.workers))


async def test_the_worker_is_killed_as_the_call_ends(
    deployment: Deployment, told: ToldEvents, strings: Strings
) -> None:
    caller = Line(deployment)
    await caller.ring()
    await caller.say(1, "my knee")
    last = asyncio.create_task(caller.say(2, "wait for gate"))
    await wait_until(lambda: strings.is_running("gate"), "the agent is at work")
    over = asyncio.create_task(caller.hang_up(at=1))
    await kill_who_runs_turns(deployment)
    strings.go("gate")
    await asyncio.gather(last, over)
    record = await told.ended("CA1")
    assert [(turn["text"], turn["reply"]["text"]) for turn in record["turns"]][:2] == [
        ("", "Hello."),
        ("my knee", "You said my knee."),
    ]
    assert record["status"] == "completed"
    await told.settled(deployment.redis.client())
    assert told.types("CA1")[0] == "call.started"


async def test_the_library_for_node_verifies_what_was_sent(deployment: Deployment, told: ToldEvents) -> None:
    node, modules = shutil.which("node"), os.environ.get("NODE_PATH", "")
    if node is None or not (Path(modules) / "standardwebhooks").is_dir():
        pytest.skip("needs node, and npm install standardwebhooks, with NODE_PATH at its node_modules")
    caller = Line(deployment)
    await caller.ring()
    await caller.say(1, "sm\u00f6rg\u00e5sbord \u2603")
    await caller.hang_up()
    await told.ended("CA1")
    requests = [{"headers": request.headers, "body": request.body.decode()} for request in told.requests]
    shown = subprocess.run(
        [node, "-e", VERIFY_IN_NODE, SECRET], input=json.dumps(requests), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert shown.stdout.split() == ["call.started", "call.ended"], shown.stderr


async def test_the_agent_hangs_up_and_the_provider_says_nothing(deployment: Deployment, told: ToldEvents) -> None:
    caller, redis = Line(deployment), deployment.redis.client()
    await caller.ring()
    assert "<Hangup" in (await caller.say(1, "hang up")).text
    await wait_until(lambda: told.types("CA1") == ["call.started"], "the beginning is told")
    let_time_pass(redis, "CA1")
    record = await told.ended("CA1")
    assert (record["reason"], len(record["turns"])) == ("agent hung up", 2)
    assert (await caller.hang_up()).status_code == 204
    await told.settled(redis)


async def test_the_agent_hangs_up_and_the_provider_confirms(deployment: Deployment, told: ToldEvents) -> None:
    caller = Line(deployment)
    await caller.ring()
    await caller.say(1, "hang up")
    await asyncio.gather(*(caller.hang_up(at=number % 2) for number in range(4)))
    assert (await told.ended("CA1"))["status"] == "completed"
    await told.settled(deployment.redis.client())
    assert told.types("CA1") == ["call.started", "call.ended"]


async def test_the_caller_hangs_up_before_a_worker_took_the_first_turn(
    deployment: Deployment, told: ToldEvents
) -> None:
    for worker in deployment.workers:
        worker.expected = True
        worker.running.process.kill()
        await asyncio.to_thread(worker.running.process.wait)
    caller = Line(deployment)
    ringing = asyncio.create_task(caller.ring())
    redis = deployment.redis.client()
    await wait_until(lambda: redis.exists(keys.state("CA1")) == 1, "the call has begun")
    assert (await caller.hang_up(at=1)).status_code == 204
    for worker in deployment.workers:
        worker.start()
    record = await told.ended("CA1")
    assert [turn["kind"] for turn in record["turns"]][-1] == "ended"
    assert record["turns"][0]["outcome"] == "dropped"
    await ringing
    await told.settled(redis)


async def test_an_ingress_and_the_workers_are_killed_at_once(
    deployment: Deployment, told: ToldEvents, strings: Strings
) -> None:
    caller = Line(deployment)
    await caller.ring()
    turn = asyncio.create_task(caller.say(1, "wait for gate"))
    await wait_until(lambda: strings.is_running("gate"), "the agent is at work")
    await asyncio.gather(deployment.webs[0].kill(), kill_who_runs_turns(deployment))
    await lost(turn)
    strings.go("gate")
    await caller.hang_up(at=1)
    record = await told.ended("CA1")
    assert record["turns"][1]["text"] == "wait for gate"
    await told.settled(deployment.redis.client())


async def test_a_state_expires_and_the_sid_is_used_again(deployment: Deployment, told: ToldEvents) -> None:
    redis = deployment.redis.client()
    async with httpx.AsyncClient(base_url=deployment.ingresses[0], timeout=60) as api:
        api.headers["Authorization"] = f"Bearer {API_KEY}"
        for life in range(2):
            turn = {"turn_id": "t1", "text": f"life {life}"}
            assert (await api.post("/calls/demo/turns", json=turn)).status_code == 200
            expire(redis, "demo")
            await wait_until(
                lambda life=life: told.types("demo").count("call.ended") == life + 1, f"life {life} has an end"
            )
    await told.settled(redis, lives=2)
    assert told.types("demo") == ["call.started", "call.ended"] * 2
    ends = [event.data for event in told.of("demo") if event.type == "call.ended"]
    assert [(end["status"], end["partial"]) for end in ends] == [("expired", True)] * 2
    assert ends[0]["started_at"] < ends[1]["started_at"]


async def test_a_call_is_deleted(deployment: Deployment, told: ToldEvents) -> None:
    caller = Line(deployment)
    await caller.ring()
    await caller.say(1, "my number is four seven one one")
    async with httpx.AsyncClient(base_url=deployment.ingresses[1], timeout=60) as api:
        answer = await api.delete("/calls/CA1", headers={"Authorization": f"Bearer {API_KEY}"})
        assert answer.status_code == 204
    record = await told.ended("CA1")
    assert [turn["kind"] for turn in record["turns"]] == ["started", "speech", "ended"]
    await told.settled(deployment.redis.client())


async def test_a_receiver_that_fails_hears_of_the_end_all_the_same(strings: Strings) -> None:
    async with ToldEvents(breaks_off, status(500)) as told:
        settings = {"AGENT": "support.puppet:reply", STAGE: str(strings.directory), **told.settings}
        async with Deployment(webs=1, workers=1, **settings) as deployment:
            redis = deployment.redis.client()
            caller = Line(deployment)
            await caller.ring()
            await caller.say(1, "raise")
            await caller.say(2, "connect for +15557654321")
            await caller.hang_up()
            for attempt in range(2):

                async def failed(attempt: int = attempt) -> bool:
                    return len(told.requests) > attempt and redis.hexists(keys.outbox("CA1"), "f:webhook")

                await wait_until(failed, "an attempt has failed", 60)
                redis.hdel(keys.outbox("CA1"), "f:webhook")  # the pause before the next one
                look_now(redis, "CA1")
            await told.ended("CA1")
            await told.settled(redis)
    assert told.types("CA1") == ["call.started", "turn.failed", "call.transferred", "call.ended"]


async def test_nobody_answers_a_placed_call(told: ToldEvents, strings: Strings) -> None:
    async with twilio_api(token=TOKEN) as provider:
        settings = {
            "AGENT": "support.puppet:reply", STAGE: str(strings.directory), **told.settings,
            "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_API_BASE_URL": provider.url, "TWILIO_FROM_NUMBER": "+15551230000",
        }  # fmt: skip
        async with Deployment(webs=1, workers=1, **settings) as deployment:
            redis = deployment.redis.client()
            words = ["no-answer", "busy", "failed", "canceled", ""]
            placed = dict(zip(words, [await place(deployment) for _ in words], strict=True))
            for word in filter(None, words):
                await Line(deployment, placed[word]).post("/twilio/status", CallStatus=word)
            assert {word: (await told.ended(placed[word]))["status"] for word in words[:-1]} == {
                word: word for word in words[:-1]
            }
            expire(redis, placed[""])  # nobody ever says what became of it
            assert (await told.ended(placed[""]))["partial"]
            await told.settled(redis)
    for call_sid in placed.values():
        assert told.types(call_sid) == ["call.started", "call.ended"]
        assert {event.data["direction"] for event in told.of(call_sid)} == {"outbound-api"}


async def place(deployment: Deployment) -> str:
    """The SID of a call that the provider has taken."""
    async with httpx.AsyncClient(base_url=deployment.ingresses[0], timeout=60) as api:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        answer = await api.post("/calls", json={"to": "+15558675310"}, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["call_sid"])
