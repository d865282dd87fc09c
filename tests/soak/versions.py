"""Workers of two versions: what befalls all of one version at once, and what is planned for new calls."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from support.deployment import Deployment, Member
from support.terminal import run_script

VERSIONS = ("a", "b")
WEIGHTS = {
    "version rolled": 3, "version gone": 5, "plan ramped": 2, "plan promoted": 2, "plan rolled back": 1,
}  # fmt: skip
GONE_SECONDS = 5.0
READY_SECONDS = 4.0
"""A worker that has begun to run is known to everybody by then: it imports, connects, and says that it lives."""
REFUSALS = ("nobody runs", "no worker", "no plan", "not ramping", "nothing", "is the current version")
"""Words of an answer to a command that was refused with good reason."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """From when until when a worker was not itself, by the event loop's clock."""

    worker: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Absence:
    """From when until when no worker of a version ran."""

    version: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A command that was carried out: what it set, and when it began and had ended."""

    command: tuple[str, ...]
    began: float
    ended: float


class Versions:
    """What befalls versions. `disturbances` are of single workers, too: whoever harms one notes it."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._clock = asyncio.get_running_loop().time
        self.disturbances: list[Disturbance] = []
        self.absences: list[Absence] = []
        self.plans: list[Plan] = []
        self.wrong: list[str] = []

    @property
    def workers(self) -> list[Member]:
        """The workers of all versions."""
        return self._deployment.workers

    def workers_of(self, version: str) -> list[Member]:
        """The workers of that version."""
        return [worker for worker in self._deployment.workers if worker.version == version]

    async def disturb(self, worker: Member, harm: Callable[[], Awaitable[None]]) -> None:
        """Harm one worker, and note until when it was not itself."""
        began = self._clock()
        try:
            await harm()
        finally:
            self.disturbances.append(Disturbance(worker.name, began, self._clock() + READY_SECONDS))

    async def roll(self, version: str) -> list[str]:
        """Restart the workers of a version, one after the other. What was wrong with their ends."""
        complaints: list[str] = []
        for worker in self.workers_of(version):
            async with worker.busy:
                await self.disturb(worker, lambda worker=worker: _roll(worker, complaints))  # type: ignore[misc]
                await asyncio.sleep(READY_SECONDS)
        return complaints

    async def be_gone(self, version: str, seconds: float) -> None:
        """Kill all workers of a version, and start them again after a while."""
        async with AsyncExitStack() as stack:
            workers = self.workers_of(version)
            for worker in workers:
                await stack.enter_async_context(worker.busy)
            began = self._clock()
            await asyncio.gather(*(worker.die() for worker in workers))
            gone = self._clock()
            await asyncio.sleep(GONE_SECONDS + seconds)
            self.absences.append(Absence(version, gone, self._clock()))
            for worker in workers:
                worker.start()
                self.disturbances.append(Disturbance(worker.name, began, self._clock() + READY_SECONDS))

    async def plan(self, *command: str) -> None:
        """Give a command of `voiceagent rollout`."""
        began = self._clock()
        code, output, errors = await run_script(
            "rollout", *command, cwd=self._deployment.directory, settings=self._deployment.webs[0].environment
        )
        if code == 0:
            self.plans.append(Plan(command, began, self._clock()))
        elif not any(word in (output + errors).lower() for word in REFUSALS):
            self.wrong.append(f"voiceagent rollout {' '.join(command)} ended with {code}: {output}{errors}")


async def _roll(worker: Member, complaints: list[str]) -> None:
    wrong = await worker.roll()
    if wrong is not None:
        complaints.append(wrong)


def command_of(kind: str, version: str, share: float) -> Sequence[str]:
    """Return the command of a fault of this kind."""
    match kind:
        case "plan ramped":
            return ("ramp", version, f"{round(20 + 60 * share)}%")
        case "plan promoted":
            return ("promote", version)
        case _:
            return ("roll-back",)
