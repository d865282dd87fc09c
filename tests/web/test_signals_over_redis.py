"""Signals into calls whose turns workers run: from any ingress, once, whatever dies."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from redis.asyncio import Redis
from support.ingress import said
from support.processes import WebProcess, WorkerProcess
from support.reported_workers import report_worker
from support.servers import RedisServer
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.rest_api import CallUpdate, Fault, RestApi, serve_rest_api
from orchestrator.redis import keys

pytestmark = pytest.mark.processes

ACCOUNT, TOKEN, KEY = "AC" + "1" * 32, "12345", "key-of-the-tests"
CALL = "CA1"
PUBLIC = "https://calls.example"
AGENT = """
import asyncio, os, pathlib

STAGE = pathlib.Path(os.environ["STAGE"])

async def told(turn, state):
    if turn.kind == "started":
        yield "Hello!"
    elif turn.kind == "signal":
        with open(STAGE / "runs", "a") as runs:
            runs.write(turn.text + "\\n")
        while turn.text == "wait" and not (STAGE / "go").exists():
            await asyncio.sleep(0.01)
        yield f"News: {turn.text}."
    else:
        yield f"You said {turn.text}."
"""


class Caller:
    """The provider's side of one call, and those who send signals into it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def hear(self, path: str, **fields: str) -> ElementTree.Element:
        """What the caller hears after all fillers."""
        for _ in range(20):
            form = {
                "CallSid": CALL,
                "CallStatus": "in-progress",
                "From": "+15558675310",
                "To": "+15551234567",
                **fields,
            }
            signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
            answer = await self.client.post(path, data=form, headers={"X-Twilio-Signature": signature})
            assert answer.status_code == 200, answer.text
            document = ElementTree.fromstring(answer.text)
            redirect = document.find("Redirect")
            if document.find("Gather") is not None or redirect is None:
                return document
            path, fields = redirect.text or "", {}
        raise AssertionError("nothing but fillers")

    async def signal(self, name: str, signal_id: str = "s1", **fields: Any) -> httpx.Response:
        body = {"signal_id": signal_id, "name": name, **fields}
        headers = {"Authorization": f"Bearer {KEY}"}
        return await self.client.post(f"/calls/{CALL}/signals", json=body, headers=headers)


class LiveCall:
    """What the provider's API has of the call."""

    status: Any = "in-progress"

    def __init__(self) -> None:
        self.identity = CallIdentity(call_sid=CALL)
        self.updates: list[CallUpdate] = []

    def update(self, update: CallUpdate) -> None:
        self.updates.append(update)


class Programs:
    """Ingresses and workers on one Redis."""

    def __init__(self, directory: Path, redis: RedisServer, stack: list[Any], provider: str) -> None:
        self.directory, self.redis, self.stack = directory, redis, stack
        self.settings = {
            "AGENT": "told:told", "STAGE": str(directory), "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_ACCOUNT_SID": ACCOUNT,
            "PUBLIC_BASE_URL": PUBLIC, "API_KEY": KEY, "TWILIO_API_BASE_URL": provider,
        }  # fmt: skip

    def web(self) -> WebProcess:
        return self._start(WebProcess)

    def worker(self) -> WorkerProcess:
        return self._start(WorkerProcess)

    def _start(self, kind: Any) -> Any:
        process = kind(self.directory, redis_url=self.redis.url, agents=self.directory, **self.settings)
        self.stack.append(process.__enter__())
        return process

    @property
    def runs(self) -> list[str]:
        """The signals that the agent has run, once for each run."""
        notes = self.directory / "runs"
        return notes.read_text().split() if notes.exists() else []


@contextmanager
def programs_on(directory: Path, redis: RedisServer, provider: str = "") -> Iterator[Programs]:
    """Start processes with the agent of these tests; the end kills all."""
    (directory / "told.py").write_text(AGENT)
    stack: list[Any] = []
    try:
        yield Programs(directory, redis, stack, provider)
    finally:
        for process in stack:
            process.__exit__(None, None, None)


@asynccontextmanager
async def callers(*webs: WebProcess) -> AsyncIterator[list[Caller]]:
    clients = [httpx.AsyncClient(base_url=web.url, timeout=60) for web in webs]
    try:
        yield [Caller(client) for client in clients]
    finally:
        for client in clients:
            await client.aclose()


@pytest.fixture
def redis_server(start_redis) -> RedisServer:
    return start_redis("--appendonly", "yes", "--appendfsync", "always")


async def test_a_signal_whose_worker_is_killed_is_run_by_another_and_heard_once(tmp_path, redis_server) -> None:
    with programs_on(tmp_path, redis_server) as programs:
        one, two, first = programs.web(), programs.web(), programs.worker()
        async with callers(one, two) as (caller, other):
            await caller.hear("/twilio/voice", CallStatus="ringing")
            sent = asyncio.create_task(other.signal("wait"))
            await wait_until(lambda: programs.runs == ["wait"], "a worker runs the signal")
            programs.worker()
            first.kill()
            await wait_until(lambda: programs.runs == ["wait", "wait"], "another runs it")
            (tmp_path / "go").touch()
            answer = await sent
            assert (answer.status_code, answer.json()["reply"]["text"]) == (200, "News: wait.")
            assert (await caller.signal("wait")).content == answer.content
            heard = await asyncio.gather(*(it.hear("/twilio/turn/1", SpeechResult="hi") for it in (caller, other)))
            assert {said(document) for document in heard} == {"News: wait. You said hi."}
            assert said(await other.hear("/twilio/turn/2", SpeechResult="more")) == "You said more."
            assert len(programs.runs) == 2


async def test_an_ingress_that_dies_while_it_asks_the_provider_loses_nothing(tmp_path, redis_server) -> None:
    async with serve_rest_api(RestApi(ACCOUNT, TOKEN)) as api:
        call = LiveCall()
        api.calls.add(call)
        with programs_on(tmp_path, redis_server, api.url) as programs:
            one, two, _ = programs.web(), programs.web(), programs.worker()
            async with callers(one, two) as (caller, other):
                await caller.hear("/twilio/voice", CallStatus="ringing")
                api.fail("update_call", Fault.request_lost())
                first = await caller.signal("late", interrupt=True)
                assert first.json()["delivery"] == "live_update"
                await wait_until(lambda: "update_call" in api.requested, "the provider was asked")
                one.kill()
                assert (await other.signal("late", interrupt=True)).content == first.content
                await wait_until(lambda: bool(call.updates), "the other ingress asks the provider")
                assert call.updates[-1].url == f"{PUBLIC}/twilio/turn/1?continue=1"
                assert said(await other.hear("/twilio/turn/1?continue=1")) == "News: late."
                assert said(await other.hear("/twilio/turn/2", SpeechResult="hi")) == "You said hi."
                assert programs.runs == ["late"]


async def test_while_redis_is_down_a_signal_is_refused_and_sent_again_it_is_one(tmp_path, redis_server) -> None:
    with programs_on(tmp_path, redis_server) as programs:
        web, _ = programs.web(), programs.worker()
        async with callers(web) as (caller,):
            await caller.hear("/twilio/voice", CallStatus="ringing")
            redis_server.kill()
            answer = await caller.signal("late")
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5")
            redis_server.restart()

            async def is_taken() -> bool:
                return (await caller.signal("late")).status_code == 200

            await wait_until(is_taken, "the signal is taken", 60)
            assert said(await caller.hear("/twilio/turn/1", SpeechResult="hi")) == "News: late. You said hi."
            assert programs.runs == ["late"]


async def test_while_an_older_worker_lives_a_signal_is_refused(tmp_path, redis_server) -> None:
    with programs_on(tmp_path, redis_server) as programs:
        web, _ = programs.web(), programs.worker()
        async with callers(web) as (caller,), Redis.from_url(redis_server.url) as redis:
            await caller.hear("/twilio/voice", CallStatus="ringing")
            await report_worker(redis, "old", "1.0")
            answer = await caller.signal("late")
            assert answer.status_code == 503
            assert "older version" in answer.json()["error"]
            await redis.zrem(keys.WORKERS, "old")

            async def is_taken() -> bool:
                return (await caller.signal("late")).status_code == 200

            await wait_until(is_taken, "the signal is taken", 30)
            assert programs.runs == ["late"]
