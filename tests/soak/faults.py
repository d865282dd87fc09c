"""The faults, and their schedule: the same for the same seed."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

from soak.key_rotation import WEIGHTS as KEY_WEIGHTS
from soak.key_rotation import KeyRotation
from soak.sinks import Sinks
from soak.versions import VERSIONS, Versions, command_of
from support.deployment import Deployment, Member
from support.proxy import script

FAULT_SECONDS = 240.0
"""Longer than any fault takes: an ingress may take 90 s to leave, and as long again to be killed and started."""
SCRIPTS = ("submit", "claim_jobs", "commit", "publish", "renew", "rescue_calls")
WEIGHTS = {
    "worker killed": 4, "worker rolled": 2, "worker frozen": 2, "web killed": 2, "web rolled": 2,
    "all cut": 4, "cut before a command": 5, "cut after a command": 5, "black hole": 2, "delay": 2, "refused": 1,
    "redis killed": 2,
}  # fmt: skip
SINK_WEIGHTS = {
    "sink failing": 2, "sink hanging": 1, "sink breaking": 2, "sink killed": 2, "sink database restarted": 1,
}  # fmt: skip
"""Of the faults that befall sinks of events, beside the others."""


class SoakFailed(Exception):
    """The soak could not do its own work, so that nothing is known about the product."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come: `after` so many seconds; to whom (0 to 1, along the list), for how long, at which script."""

    kind: str
    after: float
    whom: float
    seconds: float
    script: str


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was, with its time by the event loop's clock."""

    kind: str
    began: float
    ended: float
    is_of_network: bool = False


def plan(rng: Random, *, seconds: float, every: float, weights: Mapping[str, int] = WEIGHTS) -> list[Planned]:
    """A schedule for so many seconds, with one fault `every` so many on average."""
    planned: list[Planned] = []
    while True:
        kind = rng.choices(list(weights), list(weights.values()))[0]
        pause = min(rng.expovariate(1 / every), 4 * every)
        planned.append(Planned(kind, pause, rng.random(), rng.random(), rng.choice(SCRIPTS)))
        if sum(fault.after for fault in planned) > seconds:
            return planned[:-1]


class Faults:
    """Injects planned faults. Those that concern the same process, or the way to Redis, come one after the other."""

    def __init__(
        self,
        deployment: Deployment,
        sinks: Sinks | None = None,
        *,
        rotation: KeyRotation | None = None,
        fault_seconds: float = FAULT_SECONDS,
    ) -> None:
        self._rotation = rotation
        self._key_trouble = asyncio.Lock()
        self._fault_seconds = fault_seconds
        self.injected: list[Injected] = []
        self.bad_leavings: list[str] = []
        self._deployment = deployment
        self._sinks = sinks
        self.versions = Versions(deployment)
        self._version_trouble = asyncio.Lock()
        self._sink_trouble = asyncio.Lock()
        self._network = asyncio.Lock()
        self._clock = asyncio.get_running_loop().time

    @property
    def by_kind(self) -> Counter[str]:
        """How many of each kind."""
        return Counter(fault.kind for fault in self.injected)

    async def inject(self, planned: list[Planned]) -> None:
        """All of them; returns when the last one is over and all is well again. Raises `SoakFailed` for the first that
        could not be done; the others are given up."""
        try:
            async with asyncio.TaskGroup() as group:
                for fault in planned:
                    await asyncio.sleep(fault.after)
                    group.create_task(self._one(fault))
        except* SoakFailed as failed:
            raise failed.exceptions[0] from None
        self._calm()

    @property
    def over_at(self) -> float:
        """When the last one was over, in Unix seconds."""
        ends = [fault.ended for fault in self.injected]
        return time.time() - self._clock() + max(ends, default=self._clock())

    def _calm(self) -> None:
        """Let everything pass again."""
        self._deployment.proxy.tell("pass")

    async def _one(self, fault: Planned) -> None:
        member = self._member(fault)
        lock, harm = self._network, self._to_network
        if member is not None:
            lock, harm = member.busy, partial(self._to_member, member)
        elif (special := self._special.get(fault.kind.split()[0])) is not None:
            lock, harm = special
        async with lock:
            began = self._clock()
            await self._in_time(fault, harm(fault))
            self.injected.append(Injected(fault.kind, began, self._clock(), harm == self._to_network))

    @property
    def _special(self) -> dict[str, tuple[asyncio.Lock, Callable[[Planned], Awaitable[None]]]]:
        """First word of a kind of faults → what must not befall at the same time, and who does it."""
        return {
            "sink": (self._sink_trouble, self._to_sinks),
            "keys": (self._key_trouble, self._to_keys),
            "version": (self._version_trouble, self._to_version),
            "plan": (self._network, self._to_plan),
        }

    async def _in_time(self, fault: Planned, harm: Awaitable[None]) -> None:
        try:
            # All processes are replaced for new keys, each after whatever befalls it already.
            seconds = self._fault_seconds * (3 if fault.kind in KEY_WEIGHTS else 1)
            async with asyncio.timeout(seconds) as limit:
                await harm
        except Exception as error:
            if limit.expired():
                raise SoakFailed(f"The fault '{fault.kind}' was not over in {self._fault_seconds:g} s.") from error
            raise SoakFailed(f"The fault '{fault.kind}' could not be done: {error!r}") from error

    def _member(self, fault: Planned) -> Member | None:
        role = fault.kind.split()[0]
        members = {"worker": self._deployment.workers, "web": self._deployment.webs}.get(role)
        return None if members is None else members[int(fault.whom * len(members))]

    async def _to_member(self, member: Member, fault: Planned) -> None:
        await self.versions.disturb(member, lambda: self._harm(member, fault))

    async def _harm(self, member: Member, fault: Planned) -> None:
        match fault.kind.split()[1]:
            case "killed":
                await member.kill()
            case "rolled":
                wrong = await member.roll()
                if wrong is not None:
                    self.bad_leavings.append(wrong)
            case "frozen":
                member.signal(signal.SIGSTOP)
                await asyncio.sleep(2.2 + 2 * fault.seconds)  # longer than a lease
                member.signal(signal.SIGCONT)

    async def _to_version(self, fault: Planned) -> None:
        version = VERSIONS[int(fault.whom * len(VERSIONS))]
        if fault.kind == "version gone":
            await self.versions.be_gone(version, fault.seconds)
        else:
            self.bad_leavings += await self.versions.roll(version)

    async def _to_keys(self, fault: Planned) -> None:
        assert self._rotation is not None
        self.bad_leavings += await self._rotation.step(self._deployment, self.versions)

    async def _to_plan(self, fault: Planned) -> None:
        version = VERSIONS[int(fault.whom * len(VERSIONS))]
        await self.versions.plan(*command_of(fault.kind, version, fault.seconds))

    async def _to_sinks(self, fault: Planned) -> None:
        sinks, seconds = self._sinks, 1 + 4 * fault.seconds
        assert sinks is not None
        match fault.kind.removeprefix("sink "):
            case "killed":
                await sinks.go_away()
                await asyncio.sleep(seconds)
                await sinks.come_back()
            case "database restarted":
                await sinks.restart_postgres(fault.seconds)
            case "failing" | "hanging" | "breaking" as mood:
                sinks.mood = mood
                await asyncio.sleep(2 * seconds)
                sinks.mood = "well"

    async def _to_network(self, fault: Planned) -> None:
        tell, seconds = self._deployment.proxy.tell, fault.seconds
        harm: dict[str, Callable[[], Awaitable[None]]] = {
            "all cut": lambda: self._for("cut", 0),
            "cut before a command": lambda: self._for(f"cut_before {script(fault.script)}", 0.3),
            "cut after a command": lambda: self._for(f"cut_after {script(fault.script)}", 0.3),
            "black hole": lambda: self._for("blackhole", 1 + 2 * seconds),
            "delay": lambda: self._for(f"delay {0.02 + 0.08 * seconds:.3f}", 2),
            "refused": lambda: self._for("refuse", 0.5 + 1.5 * seconds),
            "redis killed": lambda: self._restart_redis(0.5 * seconds),
        }
        await harm[fault.kind]()
        tell("pass")

    async def _for(self, command: str, seconds: float) -> None:
        self._deployment.proxy.tell(command)
        await asyncio.sleep(seconds)

    async def _restart_redis(self, pause: float) -> None:
        redis = self._deployment.redis
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(pause)
        await asyncio.to_thread(redis.start)
