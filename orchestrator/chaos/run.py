"""One run: callers, a calm to compare with, faults, and the audit."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from orchestrator import clock
from orchestrator.chaos import agent
from orchestrator.chaos.deployment import Deployment
from orchestrator.chaos.faults import KINDS, Fault, Kind, plan
from orchestrator.chaos.freezer import Freezer
from orchestrator.chaos.injector import Injector
from orchestrator.chaos.judgement import Judgement
from orchestrator.chaos.noticing import attribute, waits_of
from orchestrator.chaos.redis.connections import check_rights, cut_connections
from orchestrator.client import Client
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import VoiceAgentError
from orchestrator.load.audit import Auditor
from orchestrator.load.callers import Caller, PhoneCaller, Script, Server
from orchestrator.load.relay_caller import RelayBehaviour, RelayCaller
from orchestrator.load.repeated_calls import RepeatedCalls
from orchestrator.load.results import CallNote, CallResults
from orchestrator.load.summary import Summary
from orchestrator.provider_simulator.retries import RetryPolicy
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.settings.redis_url import parse_redis_url
from orchestrator.tasks import cancel_and_wait

CALM_SHARE = 0.15
"""The share of the time, at its beginning, without faults."""
SHORTEST_CALM_SECONDS, LONGEST_CALM_SECONDS = 3.0, 12.0
FINISH_SECONDS = 90.0
"""For calls that are live at the end to come to theirs."""
HANG_UP_SECONDS = 10.0
LEAVE_SECONDS = 15.0
"""A process may take so much longer to leave than its drain."""
RETRY = RetryPolicy(on=frozenset({"ct", "rt", "5xx"}), total_seconds=30)
"""As with a fallback URL: a provider asks another ingress when one does not answer."""
PLURALS = {"ingress": "ingresses", "worker": "workers"}
SCRIPT = Script(turns=8, think_seconds=0.3)


T = TypeVar("T")


class Interrupted(VoiceAgentError):
    """The run was ended before it began: there is nothing to say about the deployment."""


@dataclass(frozen=True)
class Options:
    """What a run is asked for. `every`: the mean seconds between two faults; `processes`: how many of each role
    there must be."""

    seconds: float = 60.0
    seed: int = 1
    every: float = 2.0
    callers: int = 20
    kinds: Sequence[Kind] = KINDS
    processes: Mapping[str, int] = field(default_factory=lambda: {"ingress": 1, "worker": 1})


class ChaosRun:
    """A run against the deployment at `server`, whose settings are these. `say` is called as it goes on, and `tell`
    with each fault. `is_mine`: even in production."""

    def __init__(
        self,
        server: Server,
        settings: Settings,
        options: Options,
        tell: Callable[[Fault], None],
        say: Callable[[str], None],
        *,
        is_mine: bool = False,
    ) -> None:
        self._server = server
        self._settings = settings
        self._options = options
        self._tell = tell
        self._say = say
        self._is_mine = is_mine
        self._results = CallResults()
        self._calm_until = 0.0
        self._knows_agent = False
        self._blamed: dict[tuple[str, str], set[str]] = {}

    async def run(self, stop: asyncio.Event) -> Judgement:
        """Run until the time is over or `stop` is set; then audit. Raise `Interrupted`, `NotOurs` and `ClientError`."""
        redis = connect(self._settings, max_connections=2)
        database = parse_redis_url(self._settings.effective_redis_url()).db
        try:
            if "cut" in self._options.kinds:
                await _unless_stopped(stop, check_rights(redis))
            async with Client(self._server.url, self._server.api_key) as client, Freezer() as freezer:
                deployment = Deployment(client, is_mine=self._is_mine)
                roles = await _unless_stopped(stop, deployment.begin(self._options.processes))
                injector = Injector(
                    deployment,
                    freezer,
                    lambda: cut_connections(redis, deployment.pids(), database),
                    self._tell,
                    self._settings.drain_timeout_seconds + LEAVE_SECONDS,
                )
                self._say(f"{_named(roles)} found. {self._options.callers} callers begin; the calm before lasts "
                          f"{self._calm_seconds:.0f} s.")  # fmt: skip
                began = time.perf_counter()
                await self._under_faults(deployment, injector, stop)
                seconds = time.perf_counter() - began
                findings = [*injector.findings, *deployment.ended]
                self._knows_agent = await self._has_known_agent(client)
        finally:
            await redis.aclose()
        self._say("The faults are over. Now the audit.")
        audited = await Auditor(self._server, forget=False, check=self._complaints).audit(self._results.calls)
        waits = waits_of(self._results.calls, self._calm_until)
        offset = clock.now() - time.perf_counter()
        unexplained = attribute(self._results.calls, injector.faults, waits, offset, self._blamed)
        summary = Summary(self._results, audited, seconds, stop.is_set())
        return Judgement(self._options.seed, roles, injector.faults, summary, waits, unexplained, findings)

    @property
    def _calm_seconds(self) -> float:
        return min(max(SHORTEST_CALM_SECONDS, CALM_SHARE * self._options.seconds), LONGEST_CALM_SECONDS)

    async def _under_faults(self, deployment: Deployment, injector: Injector, stop: asyncio.Event) -> None:
        calls = RepeatedCalls(self._new_caller(), self._options.callers, self._results)
        calling = asyncio.create_task(calls.run(), name="callers")
        watching = asyncio.create_task(deployment.watch(), name="watch of the processes")
        harming = asyncio.create_task(self._harm(injector, stop), name="faults")
        try:
            await _first({harming, watching, calling})
            calls.finish()
            if stop.is_set():
                calls.hang_up()
            await asyncio.wait({calling, watching}, timeout=FINISH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            calls.hang_up()
            await asyncio.wait({calling}, timeout=HANG_UP_SECONDS)
        finally:
            await cancel_and_wait(harming, watching, calling)
        for task in (watching, calling, harming):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _harm(self, injector: Injector, stop: asyncio.Event) -> None:
        options = self._options
        try:
            async with asyncio.timeout(self._calm_seconds):
                await stop.wait()
        except TimeoutError:
            pass
        self._calm_until = time.perf_counter()
        left = max(options.seconds - self._calm_seconds, 0.0)
        planned = plan(Random(options.seed), options.kinds, seconds=left, every=options.every)
        await injector.inject(planned, stop, left)

    def _new_caller(self) -> Callable[[], Caller]:
        chance, behaviour = Random(self._options.seed), RelayBehaviour()
        if self._settings.voice_channel == "relay":
            return lambda: RelayCaller(self._server, SCRIPT, self._results, behaviour, chance)
        return lambda: PhoneCaller(self._server, SCRIPT, self._results)

    def _complaints(self, call: CallNote, state: ConversationState) -> Iterator[str]:
        """Note whose faults the turns of a call survived. Yield what is wrong with it, if the agent is known."""
        for record in state.turns:
            if record.absorbed:
                self._blamed[call.call_sid, record.text] = {fault.process for fault in record.absorbed}
        if self._knows_agent:
            yield from agent.complaints(call, state)

    async def _has_known_agent(self, client: Client) -> bool:
        """Return whether the agent is the one whose answers are known."""
        processes = (await client.processes())["processes"]
        return {process["agent"] for process in processes if process["role"] == "worker"} == {agent.NAME}


async def _unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns. Raise `Interrupted` if `stop` is set first."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Interrupted("Interrupted before it began.")
        return working.result()
    finally:
        await cancel_and_wait(working, stopping)


async def _first(tasks: set["asyncio.Task[None]"]) -> None:
    """Return when the first of them has ended."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _named(roles: Counter[str]) -> str:
    return ", ".join(f"{count} {PLURALS[role] if count > 1 else role}" for role, count in sorted(roles.items()))
