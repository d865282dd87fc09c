"""Live calls over a Redis that is being hurt: what the callers waited, and what was lost of what they were told."""

import asyncio
import itertools
import random
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
from support import module_process
from support.module_process import Process
from support.program import clean_environment
from support.programs import ready
from support.servers import free_port
from support.waiting import wait_until

THINKING_SECONDS = (0.1, 0.4)
PATIENCE_SECONDS = 60.0
CALM_SECONDS = 2.0
AFTERWARDS_SECONDS = 4.0


@dataclass(slots=True)
class Exchange:
    """One turn: when it was sent and answered (seconds of a monotonic clock), and what was heard."""

    turn_id: str
    sent: float
    answered: float = 0.0
    reply: str = ""
    refusals: int = 0


@dataclass(slots=True)
class Outcome:
    """What came of it. `lost`: turns that were answered, or accepted, and are not in the state any more.

    `changed`: turns whose reply in the state is another one than the caller heard. Seconds are those of the
    callers who were under way when it happened, or began before service had resumed.
    """

    calls: int = 0
    turns: int = 0
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    unanswered: int = 0
    exits: list[str] = field(default_factory=list)
    affected: int = 0
    median_seconds: float = 0.0
    worst_seconds: float = 0.0
    calm_seconds: float = 0.0


class Service:
    """Two ingresses and two workers over `url`. They are not started again: none of them may exit."""

    def __init__(self, url: str, **settings: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="topology-"))
        self._settings = {"USE_REDIS": "true", "REDIS_URL": url, "AGENT": "echo", "LOG_LEVEL": "WARNING", **settings}
        self._processes: dict[str, Process] = {}
        self.urls: list[str] = []

    async def __aenter__(self) -> "Service":
        for number in range(2):
            port = free_port()
            self.urls.append(f"http://127.0.0.1:{port}")
            self._start(f"web{number}", "web", PORT=str(port))
            self._start(f"worker{number}", "workers")
        for url in self.urls:
            await ready(url)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                await asyncio.to_thread(process.wait, 40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def exits(self) -> list[str]:
        """The processes that have ended by themselves, with their last words."""
        gone = {name: process.poll() for name, process in self._processes.items() if process.poll() is not None}
        return [f"{name} exited with {code}:\n{self._log(name)}" for name, code in gone.items()]

    def log(self) -> str:
        """What all processes have said last."""
        return "\n".join(f"--- {name}\n{self._log(name)}" for name in self._processes)

    def has_said(self, text: str) -> bool:
        """Whether this is in anybody's log."""
        return any(text in (self._directory / name).read_text(errors="replace") for name in self._processes)

    def _start(self, name: str, module: str, **more: str) -> None:
        with (self._directory / name).open("wb") as log:
            self._processes[name] = module_process.start(
                module, directory=self._directory, output=log.fileno(),
                environment=clean_environment(**self._settings, **more),
            )  # fmt: skip

    def _log(self, name: str) -> str:
        return (self._directory / name).read_text(errors="replace")[-1500:]


class Callers:
    """So many text conversations at once; each turn is sent again, to either ingress, until it is answered."""

    def __init__(self, service: Service, count: int, seed: int = 1) -> None:
        self.calls: dict[str, list[Exchange]] = {f"CA{seed}-{number}": [] for number in range(count)}
        self._service = service
        self._random = random.Random(seed)
        self._stop = asyncio.Event()

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """They talk for as long as the block lasts, and then finish their turns."""
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None)) as client:
            tasks = [asyncio.create_task(self._talk(client, call_sid)) for call_sid in self.calls]
            try:
                yield
            finally:
                self._stop.set()
                done, late = await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
                for task in late:
                    task.cancel()
                for task in done:
                    task.result()

    async def _talk(self, client: httpx.AsyncClient, call_sid: str) -> None:
        for number in itertools.count(1):
            exchange = Exchange(f"t{number}", time.monotonic())
            self.calls[call_sid].append(exchange)
            await self._say(client, call_sid, exchange)
            if self._stop.is_set():
                return
            await asyncio.sleep(self._random.uniform(*THINKING_SECONDS))

    async def _say(self, client: httpx.AsyncClient, call_sid: str, exchange: Exchange) -> None:
        body = {"turn_id": exchange.turn_id, "text": f"{call_sid} says {exchange.turn_id}"}
        while True:
            try:
                url = self._random.choice(self._service.urls)
                answer = await client.post(f"{url}/calls/{call_sid}/turns", json=body)
                if answer.status_code == 200:
                    exchange.answered, exchange.reply = time.monotonic(), answer.json()["reply"]["text"]
                    return
            except httpx.TransportError:
                pass
            exchange.refusals += 1
            await asyncio.sleep(0.1)

    async def all_answered(self) -> None:
        """Until every caller has got the answer to something said from here on."""
        now = time.monotonic()
        await wait_until(lambda: self.answered_since(now), "all callers are answered", 120)

    def answered_since(self, moment: float) -> bool:
        """Whether every caller has sent something after that moment and got the answer."""
        return all(
            any(turn.answered and turn.sent > moment for turn in exchanges[-5:]) for exchanges in self.calls.values()
        )

    async def audit(self, outcome: Outcome) -> None:
        """Compare what was heard with what the states hold."""
        outcome.calls = len(self.calls)
        async with httpx.AsyncClient(timeout=60) as client:
            for call_sid, exchanges in self.calls.items():
                answer = await client.get(f"{self._service.urls[0]}/calls/{call_sid}")
                stored = {turn["turn_id"]: turn for turn in answer.json().get("turns", [])}
                names = [name for name in stored if name.startswith("t")]
                if names != sorted(names, key=lambda name: int(name[1:])):
                    outcome.disordered.append(call_sid)
                for exchange in exchanges:
                    outcome.turns += 1
                    if not exchange.answered:
                        outcome.unanswered += 1
                    elif exchange.turn_id not in stored:
                        outcome.lost.append(f"{call_sid}/{exchange.turn_id}")
                    elif stored[exchange.turn_id]["reply"]["text"] != exchange.reply:
                        outcome.changed.append(f"{call_sid}/{exchange.turn_id}")

    def measure(self, hurt_at: float, outcome: Outcome) -> None:
        """How long those waited whom it concerned."""
        turns = [exchange for exchanges in self.calls.values() for exchange in exchanges if exchange.answered]
        answers = sorted(turn.answered for turn in turns if turn.answered >= hurt_at)
        gaps = [(later - earlier, later) for earlier, later in itertools.pairwise([hurt_at, *answers])]
        resumed_at = max(gaps, default=(0.0, hurt_at))[1]
        waits = [turn.answered - turn.sent for turn in turns if turn.sent <= resumed_at and turn.answered >= hurt_at]
        calm = [turn.answered - turn.sent for turn in turns if turn.answered < hurt_at]
        outcome.affected = len(waits)
        outcome.median_seconds = median(waits) if waits else 0.0
        outcome.worst_seconds = max((turn.answered - turn.sent for turn in turns), default=0.0)
        outcome.calm_seconds = median(calm) if calm else 0.0


async def survive(
    url: str, hurt: Callable[[], Awaitable[None]], *, callers: int = 20, seed: int = 1, **settings: str
) -> Outcome:
    """Run a service over `url` under live calls, `hurt` its Redis in the middle, and audit every call."""
    outcome = Outcome()
    async with Service(url, **settings) as service:
        people = Callers(service, callers, seed)
        async with people.talking():
            await people.all_answered()
            await asyncio.sleep(CALM_SECONDS)
            hurt_at = time.monotonic()
            await hurt()
            await people.all_answered()
            await asyncio.sleep(AFTERWARDS_SECONDS)
            await people.all_answered()
        await people.audit(outcome)
        people.measure(hurt_at, outcome)
        outcome.exits = service.exits()
    return outcome
