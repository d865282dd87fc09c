"""A number that a caller says in a sensitive turn reaches the agent, and is found nowhere else."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from support.ingress import redirect_of, said
from support.planted import Published, find_in_files, find_in_redis, is_in
from support.processes import WebProcess, WorkerProcess
from support.relay import RelaySocket, relay_socket
from support.servers import RedisServer
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator.encryption.keys import new_key

pytestmark = pytest.mark.processes

CARD = "4929871236540177"
CASHIER = """
import json, os
from orchestrator import Gather, HangUp

async def answer(turn, state):
    with open(os.environ["SEEN_FILE"], "a") as seen:
        seen.write(json.dumps([turn.kind, turn.text, turn.data, state.slots.get("card")]) + "\\n")
    if turn.kind == "started":
        yield "Your card number, please."
        yield Gather(sensitive=True)
    elif turn.kind == "silence":
        yield "Are you there?"
    elif turn.has_words and "card" not in state.slots:
        state.slots["card"] = turn.text
        for word in f"Thank you. I have {' '.join(turn.text)}, that is {turn.text}. Anything else?".split(" "):
            yield word + " "
    elif turn.kind == "signal":
        yield f"Your card {turn.data['card']} was charged."
    elif turn.kind == "speech" and turn.text == "break":
        raise RuntimeError(f"cannot charge {state.slots['card']}")
    elif turn.kind != "ended":
        yield f"You said {turn.text}, with {state.slots.get('card')}."
"""
TOKEN = "12345"
KEYS = {
    "development": {},
    "seal key": {"SEAL_KEY": "s" * 40},
    "encryption keys": {"STATE_ENCRYPTION_KEYS": new_key()},
    "production": {"ENVIRONMENT": "production", "SEAL_KEY": "s" * 40, "API_KEY": "a" * 40},
}


@dataclass
class Deployment:
    """A server, two ingresses and a worker, whose logs, files and messages are searched at the end."""

    redis: RedisServer
    webs: list[WebProcess]
    published: Published
    directory: Path
    seen_file: Path
    api_key: str
    worker: WorkerProcess

    def client(self, place: int = 0) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return httpx.AsyncClient(base_url=self.webs[place].url, timeout=60, headers=headers)

    @property
    def seen(self) -> list[list[Any]]:
        """What the agent got: kind, text, data, and the slot."""
        lines = self.seen_file.read_text().splitlines() if self.seen_file.exists() else []
        return [json.loads(line) for line in lines]

    async def post(self, path: str, call_sid: str, place: int = 0, **fields: str) -> ElementTree.Element:
        """Post a signed webhook, and follow fillers, each time to the other ingress."""
        for _ in range(30):
            form = {"CallSid": call_sid, "CallStatus": "in-progress", "From": "+15550001111", "To": "+15550002222"}
            form |= {"Direction": "inbound", **fields}
            url = self.webs[place].url + path
            headers = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, form)}
            async with self.client(place) as client:
                answer = await client.post(path, data=form, headers=headers)
            assert answer.status_code == 200, answer.text
            document = ElementTree.fromstring(answer.text)
            if document.find("Gather") is not None or document.find("Hangup") is not None:
                return document
            path, fields, place = redirect_of(document), {}, (place + 1) % len(self.webs)
        raise AssertionError("nothing but fillers")

    async def assert_kept_nowhere(self, *calls: str) -> None:
        """Fail if the number is in a key, a message, a file, a log, or an answer to anybody but the caller."""
        async with self.client() as client:
            pages = ["/calls", "/metrics", "/health/detailed", "/dashboard", "/overview", "/events/dead"]
            for page in [*pages, *(f"/calls/{call_sid}" for call_sid in calls)]:
                answer = await client.get(page)
                assert not is_in(answer.content, CARD), page
                assert b"sealed_words" not in answer.content, page
                assert b"hidden_words" not in answer.content, page
        assert find_in_redis(self.redis, CARD) == []
        assert self.published.messages
        assert self.published.find(CARD) == []
        assert find_in_files(self.directory, CARD) == []
        assert find_in_files(self.redis.directory, CARD) == []


@asynccontextmanager
async def deployed(tmp_path: Path, redis: RedisServer, **settings: str) -> AsyncIterator[Deployment]:
    agents, directory = tmp_path / "agents", tmp_path / "run"
    agents.mkdir()
    directory.mkdir()
    (agents / "cashier.py").write_text(CASHIER)
    seen = tmp_path / "seen"
    common: dict[str, Any] = {
        "redis_url": redis.url, "agents": agents, "AGENT": "cashier:answer", "SEEN_FILE": str(seen),
        "TWILIO_AUTH_TOKEN": TOKEN, "EVENTS_FILE": str(directory / "events.jsonl"), "LOG_LEVEL": "DEBUG", **settings,
    }  # fmt: skip
    published = Published(redis)
    with ExitStack() as stack:
        stack.enter_context(published.recorded())
        webs = [stack.enter_context(WebProcess(directory, **common)) for _ in range(2)]
        worker = stack.enter_context(WorkerProcess(directory, **common))
        yield Deployment(redis, webs, published, directory, seen, settings.get("API_KEY", ""), worker)
        for process in (*webs, worker):
            process.terminate()
            process.wait_exit()


@pytest.fixture
def redis(start_redis: Any) -> Iterator[RedisServer]:
    return start_redis("--appendonly", "yes", "--appendfsync", "always")


@pytest.mark.parametrize("keys", KEYS)
async def test_over_webhooks(tmp_path, redis, keys):
    async with deployed(tmp_path, redis, **KEYS[keys]) as run:
        asked = await run.post("/twilio/voice", "CA1", CallStatus="ringing")
        again = await run.post(asked.find("Gather").get("action"), "CA1", place=1)
        answered = await run.post(again.find("Gather").get("action"), "CA1", Digits=CARD)
        assert CARD in said(answered), "the caller hears all of it"
        repeated = await run.post(again.find("Gather").get("action"), "CA1", place=1, Digits=CARD)
        assert ElementTree.tostring(repeated) == ElementTree.tostring(answered)
        later = await run.post(answered.find("Gather").get("action"), "CA1", SpeechResult="the weather")
        assert said(later) == f"You said the weather, with {CARD}."
        broken = await run.post(later.find("Gather").get("action"), "CA1", SpeechResult="break")
        assert broken.find("Gather") is not None
        back = await run.post("/twilio/voice", "CA1", ErrorCode="11200")
        assert "[hidden]" not in said(back)
        kinds = [kind for kind, *_ in run.seen]
        assert kinds == ["started", "silence", "keys", "speech", "speech"]
        assert run.seen[2][1] == CARD
        assert run.seen[3][3] == CARD
        await run.assert_kept_nowhere("CA1")
    assert find_in_files(run.directory, CARD) == []


async def test_over_the_text_api_and_signals(tmp_path, redis):
    async with deployed(tmp_path, redis) as run, run.client() as client:
        asked = await client.post("/calls/text-1/turns", json={"kind": "started"})
        assert asked.json()["reply"]["actions"][-1]["sensitive"] is True
        body = {"turn_id": "t2", "text": CARD, "sensitive": True}
        answer = await client.post("/calls/text-1/turns", json=body)
        assert CARD in answer.json()["reply"]["text"]
        again = await client.post("/calls/text-1/turns", json=body, headers={"Accept": "text/event-stream"})
        assert CARD in again.text
        signal = {"name": "charged", "data": {"card": CARD}, "sensitive": True}
        said = await client.post("/calls/text-1/signals", json=signal)
        assert CARD in said.json()["reply"]["text"]
        assert run.seen[-1][:3] == ["signal", "charged", {"card": CARD}]
        for answered in (asked, answer, again, said):
            assert "sealed_words" not in answered.text
        await run.assert_kept_nowhere("text-1")
        assert (await client.delete("/calls/text-1")).status_code == 204
        await run.assert_kept_nowhere()


async def test_unmarked_words_are_hidden_by_the_worker_at_the_latest(tmp_path, redis):
    async with deployed(tmp_path, redis) as run, run.client() as client:
        await client.post("/calls/text-1/turns", json={"kind": "started"})
        answer = await client.post("/calls/text-1/turns", json={"text": CARD})
        assert CARD in answer.json()["reply"]["text"]
        assert not is_in((await client.get("/calls/text-1")).content, CARD)
        assert find_in_redis(redis, CARD) == []


async def heard_until(caller: RelaySocket, words: str) -> str:
    text = ""
    while words not in text:
        text += (await caller.frame()).get("token", "")
    return text


async def test_on_a_relay_over_two_ingresses(tmp_path, redis):
    async with deployed(tmp_path, redis, VOICE_CHANNEL="relay") as run:
        async with relay_socket(run.webs[0].url, TOKEN) as caller:
            await caller.setup("CA1")
            await heard_until(caller, "please.")
        async with relay_socket(run.webs[1].url, TOKEN) as caller:  # which learns from the state that it is asked
            await caller.setup("CA1", "VX2")
            for key in CARD:
                await caller.send("dtmf", digit=key)
            await caller.send("dtmf", digit="#")
            text = await heard_until(caller, "Anything else?")
            assert CARD in text
            await caller.send("interrupt", utteranceUntilInterrupt=text[:30], durationUntilInterruptMs=500)
            await caller.prompt("the weather")
            await heard_until(caller, f"You said the weather, with {CARD}.")
            await caller.send("error", description=f"Invalid message received: {CARD}")
            await caller.prompt("go on")
            await heard_until(caller, f"You said go on, with {CARD}.")
        async with relay_socket(run.webs[0].url, TOKEN) as caller:
            await caller.setup("CA1", "VX3")
            await caller.prompt("once more")
            text = await heard_until(caller, f"You said once more, with {CARD}.")
            assert "[hidden]" not in text
        assert ["keys", CARD] in [seen[:2] for seen in run.seen]
        await run.assert_kept_nowhere("CA1")
    assert find_in_files(run.directory, CARD) == []


async def test_a_worker_that_is_killed_meanwhile_leaves_nothing_behind(tmp_path, redis):
    async with deployed(tmp_path, redis) as run:
        asked = await run.post("/twilio/voice", "CA1", CallStatus="ringing")
        run.worker.freeze()
        action = asked.find("Gather").get("action")
        answering = asyncio.create_task(run.post(action, "CA1", Digits=CARD))
        async with run.client() as client:
            await wait_until(lambda: _waits(redis), "the turn waits")
            await run.assert_kept_nowhere("CA1")
            assert client is not None
        run.worker.kill()
        run.worker.start()
        assert CARD in said(await answering)
        assert ["keys", CARD] in [seen[:2] for seen in run.seen]
        await run.assert_kept_nowhere("CA1")


async def test_an_answer_that_is_held_while_redis_is_down_leaves_nothing_behind(tmp_path, redis):
    async with deployed(tmp_path, redis) as run:
        asked = await run.post("/twilio/voice", "CA1", CallStatus="ringing")
        redis.kill()
        answering = asyncio.create_task(run.post(asked.find("Gather").get("action"), "CA1", Digits=CARD))
        await wait_until(lambda: any(web.events("redis.down") for web in run.webs), "an ingress has noticed")
        redis.start()
        assert CARD in said(await answering)
        await run.assert_kept_nowhere("CA1")


async def test_a_relay_call_that_runs_in_its_ingress_meanwhile_is_written_back_without_it(tmp_path, redis):
    async with deployed(tmp_path, redis, VOICE_CHANNEL="relay") as run, relay_socket(run.webs[0].url, TOKEN) as caller:
        await caller.setup("CA1")
        assert await caller.reply() == "Your card number, please."
        await caller.send("dtmf", digit="#")
        assert await caller.reply() == "Are you there?"  # by now the ingress has read the state of the turn before
        redis.kill()
        await caller.prompt(CARD)
        assert CARD in await heard_until(caller, "Anything else?")
        redis.start()
        await wait_until(lambda: run.webs[0].events("call.written_back"), "the call is written back", 60)
        await caller.prompt("the weather")
        await heard_until(caller, f"You said the weather, with {CARD}.")
        async with run.client(1) as client:
            state = (await client.get("/calls/CA1")).json()
        assert [turn["text"] for turn in state["turns"] if turn["kind"] == "speech"] == ["[hidden]", "the weather"]
        await run.assert_kept_nowhere("CA1")


def _waits(redis: RedisServer) -> bool:
    with redis.client() as client:
        return any(client.scan_iter(match="*CA1}:inbox"))


async def test_production_without_a_key_apologises_and_says_why(tmp_path, redis):
    settings = {"ENVIRONMENT": "production", "API_KEY": "a" * 40}
    async with deployed(tmp_path, redis, **settings) as run:
        asked = await run.post("/twilio/voice", "CA1", CallStatus="ringing")
        answered = await run.post(asked.find("Gather").get("action"), "CA1", Digits=CARD)
        assert "sorry" in said(answered)
        assert "sensitive=1" in answered.find("Gather").get("action"), "the caller is asked again"
        assert [kind for kind, *_ in run.seen] == ["started"], "the agent is not run"
        line = await wait_until(lambda: run.worker.events("sensitive.no_key"), "the worker's log says why")
        assert "SEAL_KEY" in line[0]["message"]
        await run.assert_kept_nowhere("CA1")


async def test_development_without_a_key_warns_once(tmp_path, redis):
    async with deployed(tmp_path, redis) as run:
        for call_sid in ("CA1", "CA2"):
            asked = await run.post("/twilio/voice", call_sid, CallStatus="ringing")
            await run.post(asked.find("Gather").get("action"), call_sid, Digits=CARD)
        assert len(run.webs[0].events("sensitive.weak_key")) == 1
