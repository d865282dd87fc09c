"""The product as it is deployed, on one machine: Redis, a proxy before it, ingresses, workers, and a supervisor."""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from support.lives import Life
from support.program import Program, clean_environment
from support.proxy import ProxyProcess
from support.servers import RedisServer, free_port

from orchestrator.tasks import cancel_and_wait

TESTS = Path(__file__).parents[1]
PUBLIC_URL = "https://calls.example"
TOKEN = "token-of-the-tests"
API_KEY = "key-of-the-tests"
RUNS_FILE = "RUNS_FILE"
"""Environment variable: where an agent under test notes each of its runs, one line with the idempotency key."""
WATCH_SECONDS = 0.1
LEAVE_SECONDS = 90.0
START_SECONDS = 60.0
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "4mb")
"""A Redis that loses nothing it has acknowledged, so that whatever is lost was lost by the product; and a short file to
read after a restart."""


@dataclass
class Member:
    """One process of the product, over all its lives: `past` tells of them, the present one last. `expected` while its
    end is somebody's doing."""

    name: str
    command: list[str] | str
    environment: dict[str, str]
    directory: Path
    version: str = ""
    program: Program | None = None
    lives: int = 0
    expected: bool = False
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    past: list[Life] = field(default_factory=list)

    def start(self) -> None:
        """Begin the next life."""
        self.lives += 1
        log = self.directory / f"{self.name}-{self.lives}.log"
        self.program = Program(self.command, self.directory, log, self.environment)
        role = "worker" if self.name.startswith("worker") else "ingress"
        self.past.append(Life(self.name, role, self.program.process.pid))
        self.expected = False

    @property
    def running(self) -> Program:
        """The present life."""
        assert self.program is not None
        return self.program

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        life = self.past[-1]
        match number:
            case signal.SIGSTOP:
                life.freeze()
            case signal.SIGKILL:
                life.killed_at = time.time()
            case signal.SIGTERM:
                life.asked_at = time.time()
        self.running.process.send_signal(number)
        if number == signal.SIGCONT:
            life.thaw()

    async def kill(self) -> None:
        """SIGKILL, and a new life at once, as a platform gives it."""
        await self.die()
        self.start()

    async def die(self) -> None:
        """SIGKILL, and no new life until `start`."""
        self.expected = True
        self.signal(signal.SIGKILL)
        await self._gone(START_SECONDS)

    async def roll(self) -> str | None:
        """SIGTERM, wait for its end, and a new life; what was wrong with its end."""
        await self._minds_sigterm()
        self.expected = True
        self.signal(signal.SIGTERM)
        code = await self._gone(LEAVE_SECONDS)
        wrong = None
        if code is None:
            wrong = f"{self.name} did not leave within {LEAVE_SECONDS:g} s of SIGTERM"
            await self.kill()
        else:
            if code != 0:
                wrong = f"{self.name} left with {code} after SIGTERM:\n{self.running.log[-2000:]}"
            self.start()
        return wrong

    async def _minds_sigterm(self) -> None:
        """Until it has a say in its end: a Python that is still importing dies of a SIGTERM (Linux only)."""
        status = Path(f"/proc/{self.running.process.pid}/status")
        end = asyncio.get_running_loop().time() + START_SECONDS
        while status.exists() and asyncio.get_running_loop().time() < end:
            caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status.read_text(), re.MULTILINE)
            if caught is not None and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
                return
            await asyncio.sleep(0.02)

    async def _gone(self, seconds: float) -> int | None:
        end = asyncio.get_running_loop().time() + seconds
        while (code := self.running.process.poll()) is None and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)
        if code is not None:
            self.past[-1].end()
        return code


class Deployment:
    """Everything that runs. A context manager; entering waits until it is ready.

    `relays` is how many further ingresses answer calls on a relay. The workers have the `versions` in turn. `settings`
    are environment variables of all processes, `redis` options of the server. With `interpreters`, each process imports
    the product itself, as outside of tests. Processes that end by themselves are started again, and noted in `exits`.
    """

    def __init__(
        self,
        *,
        webs: int = 2,
        relays: int = 0,
        workers: int = 3,
        versions: tuple[str, ...] = (),
        redis: tuple[str, ...] = DURABLE,
        interpreters: bool = False,
        **settings: str,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="va-deployment-"))
        self._server = RedisServer(*redis)
        self.exits: list[str] = []
        self._counts = (webs, relays, workers)
        self._versions = versions
        self._interpreters = interpreters
        self._settings = settings
        self._runs_file = self.directory / "runs"
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Deployment":
        self._runs_file.touch()
        self._redis_url = await asyncio.to_thread(self._open_redis)
        webs, relays, workers = self._counts
        ports = [free_port() for _ in range(webs + relays)]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.ingresses, self.relay_ingresses = urls[:webs], urls[webs:]
        channels = ["gather"] * webs + ["relay"] * relays
        self.webs = [
            self._member(f"web{i}", "web", PORT=str(port), VOICE_CHANNEL=channel)
            for i, (port, channel) in enumerate(zip(ports, channels, strict=True))
        ]
        self.workers = [self._worker(i) for i in range(workers)]
        for member in self.members:
            member.start()
        for member, url in zip(self.webs, urls, strict=True):
            await asyncio.to_thread(member.running.wait_for, url + "/readyz")
        self._watch = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._watch)
        for member in self.members:
            member.signal(signal.SIGKILL)
            member.running.process.wait()
        self._close_redis()

    @property
    def web_urls(self) -> list[str]:
        """Where each of `webs` answers."""
        return [*self.ingresses, *self.relay_ingresses]

    @property
    def redis(self) -> RedisServer:
        """The server that has the truth now."""
        return self._server

    @property
    def masters(self) -> list[RedisServer]:
        """The servers that have the truth between them."""
        return [self.redis]

    def _open_redis(self) -> str:
        """Start what the product finds under the URL that this returns."""
        self._server.start()
        self.proxy = ProxyProcess(self._server.port)
        return self.proxy.url

    def _close_redis(self) -> None:
        self.proxy.close()
        self._server.close()

    @property
    def runs(self) -> Counter[str]:
        """How often the agent ran each turn, by idempotency key."""
        return Counter(key for key, *_ in self.run_notes)

    @property
    def run_notes(self) -> list[list[str]]:
        """What the agent noted of each run, in their order: the idempotency key, then what it adds."""
        return [line.split("\t") for line in self._runs_file.read_text().splitlines()]

    @property
    def members(self) -> list[Member]:
        """The product's processes."""
        return [*self.webs, *self.workers]

    def _worker(self, number: int) -> Member:
        name = f"worker{number}"
        if not self._versions:
            return self._member(name, "workers")
        version = self._versions[number % len(self._versions)]
        member = self._member(name, "workers", WORKER_VERSION=version)
        member.version = version
        return member

    def _member(self, name: str, module: str, **more: str) -> Member:
        environment = clean_environment(
            USE_REDIS="true", REDIS_URL=self._redis_url, TWILIO_AUTH_TOKEN=TOKEN, PUBLIC_BASE_URL=PUBLIC_URL,
            API_KEY=API_KEY, PYTHONPATH=f"{TESTS.parent}{os.pathsep}{TESTS}",
            **{"LOG_LEVEL": "WARNING", RUNS_FILE: str(self._runs_file), **self._settings, **more},
        )  # fmt: skip
        command = [sys.executable, "-m", module] if self._interpreters else module
        return Member(name, command, environment, self.directory)

    async def _supervise(self) -> None:
        """Start again what ended without being told to, and remember it."""
        while True:
            for member in self.members:
                code = member.running.process.poll()
                if code is not None and not member.expected:
                    member.past[-1].end()
                    self.exits.append(f"{member.name} exited by itself with {code}:\n{member.running.log[-2000:]}")
                    member.start()
            await asyncio.sleep(WATCH_SECONDS)
