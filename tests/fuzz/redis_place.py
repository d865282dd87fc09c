"""A worker process and an ingress on one Redis, whose values a test replaces by wrong ones."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fuzz.http_request import API_KEY, Answer, HttpRequest, answer_to
from fuzz.mutation import Mutator
from redis import Redis
from support.ingress import PATIENT, serving, settings_with
from support.processes import WorkerProcess
from support.servers import RedisServer

from web.app import create_app

AGENTS = """
from orchestrator import Gather, SetTimer

async def answer(turn, state):
    state.slots["n"] = [turn.text, {"a": 1.5}]
    yield f"you said {turn.text}"
    yield SetTimer("later", 600, {"a": 1})
    yield Gather(hints=("yes",))
"""
LIFE_SECONDS = "600"
READS = (
    "/calls", "/calls/CAbad", "/events", "/events/CAbad", "/rollout", "/health/detailed", "/metrics",
    "/metrics/fleet", "/overview",
)  # fmt: skip
"""What shows what is in Redis."""
CHANNELS = "voiceagent:*"


class RedisPlace:
    """What is fuzzed: `raw` is a client of the Redis, `url` the ingress's, `worker` the process."""

    def __init__(self, raw: Redis, url: str, worker: WorkerProcess, seed: object) -> None:
        self.raw = raw
        self.url = url
        self.worker = worker
        self._random = random.Random(f"{seed}")
        self._seed = seed
        self._count = 0

    async def say(self, call_sid: str, turn_id: str) -> Answer:
        """Send a text turn, and return the answer."""
        body = json.dumps({"turn_id": turn_id, "text": "hello"}).encode()
        request = HttpRequest(
            b"POST", f"/calls/{call_sid}/turns".encode(), (b"content-type: application/json", b"key: yes"), body
        )
        return await answer_to(self.url, request.bytes_for(self.url))

    async def look(self, path: str) -> Answer:
        """Return the answer to a GET."""
        request = HttpRequest(b"GET", path.encode(), (b"key: yes",), b"")
        return await answer_to(self.url, request.bytes_for(self.url))

    def damage(self) -> str:
        """Replace a value in Redis, or publish a wrong message. Return what was done."""
        if self._random.random() < 0.15 and (channels := sorted(self.raw.pubsub_channels(CHANNELS))):
            return self._publish(self._random.choice(channels))
        names = sorted(name for pattern in ("*CAbad*", "voiceagent:*", "arq:*") for name in self.raw.keys(pattern))
        of_call = [name for name in names if b"CAbad" in name]
        name = self._random.choice(of_call if of_call and self._random.random() < 0.7 else names)
        return self._damage_key(name)

    def _publish(self, channel: bytes) -> str:
        examples = [
            {"c": "CAbad", "t": "t2", "e": 1, "i": 0, "x": "Hello"}, {"c": "CAbad", "t": "t2", "k": "speech", "x": "a"},
            {"g": 1, "n": 1, "o": 0, "s": 0, "at": 1, "l": 2, "c": "CAbad", "t": "t2"}, {"c": "CAbad", "o": "x"},
            {"c": "CAbad", "t": "t2", "e": 1, "r": '{"call_sid":"CAbad","turn_id":"t2","outcome":"replied"}'},
            {"c": "CAbad", "g": "x", "k": True}, {"c": "CAbad", "q": "x"}, {"c": "CAbad", "w": "x", "a": True},
        ]  # fmt: skip
        message = self._mutated(json.dumps(self._random.choice(examples), separators=(",", ":")).encode())
        self.raw.publish(channel.decode(), message)
        return f"published on {channel!r}: {message[:300]!r}"

    def _damage_key(self, name: bytes) -> str:
        kind = self.raw.type(name).decode()
        life = max(self.raw.ttl(name), 1)
        match kind:
            case "string":
                what = self._mutated(self.raw.get(name) or b"")
                self.raw.set(name, what, ex=life)
            case "hash":
                fields: dict[bytes, bytes] = self.raw.hgetall(name)
                field = self._random.choice(sorted(fields))
                what = self._mutated(fields[field])
                self.raw.hset(name, self._mutated(field) if self._random.random() < 0.1 else field, what)  # type: ignore[arg-type]
            case "list":
                what = self._mutated(self.raw.lindex(name, 0) or b"")  # type: ignore[operator]
                self.raw.lset(name, 0, what)  # type: ignore[arg-type]
            case "zset":
                what = self._mutated(self._random.choice(self.raw.zrange(name, 0, -1)))
                self.raw.zadd(name, {what: self._random.choice((0, -1, 1e300, float("-inf"), float("inf"), 1.5))})
            case _:
                return "nothing: the key is gone"
        return f"{kind} {name!r}: {what[:500]!r}"

    def _mutated(self, value: bytes) -> bytes:
        self._count += 1
        return Mutator(f"{self._seed} {self._count}", [value]).next()[:20_000]

    def leave_turns(self) -> None:
        """Leave damaged turns in the inbox of the call, as if they had come before."""
        turn = {
            "turn_id": "w1",
            "call_sid": "CAbad",
            "kind": "speech",
            "text": "waits",
            "received_at": "2026-11-27T08:00:00Z",
        }
        self.raw.hset("{voiceagent:state:CAbad}:turns", "w1", b"P" + self._mutated(json.dumps(turn).encode()))  # type: ignore[arg-type]
        self.raw.rpush("{voiceagent:state:CAbad}:inbox", "w1")
        for name in ("turns", "inbox"):
            self.raw.expire("{voiceagent:state:CAbad}:" + name, 600)

    def forget(self) -> None:
        """Delete all that is left of the call."""
        for name in self.raw.keys("*CAbad*"):
            self.raw.delete(name)


@asynccontextmanager
async def redis_place(server: RedisServer, directory: Path, seed: object) -> AsyncIterator[RedisPlace]:
    """A worker and an ingress on that Redis."""
    (directory / "trial_agents.py").write_text(AGENTS)
    settings: dict[str, Any] = {
        "use_redis": True, "redis_url": server.url, "state_ttl_seconds": 600, "agent_timeout_seconds": 5,
        "events_file": str(directory / "events.jsonl"), "api_key": API_KEY,
    }  # fmt: skip
    worker = WorkerProcess(
        directory, redis_url=server.url, agents=directory, AGENT="trial_agents:answer", STATE_TTL_SECONDS=LIFE_SECONDS,
        EVENTS_FILE=str(directory / "events.jsonl"), AGENT_TIMEOUT_SECONDS="5",
    )  # fmt: skip
    app_settings = settings_with(**settings)
    app = create_app(app_settings, timeouts=replace(PATIENT, reply_grace=5, check=5, store=5))
    with worker, server.client(decode_responses=False) as raw:
        async with serving(app, app_settings) as url:
            yield RedisPlace(raw, url, worker, seed)
