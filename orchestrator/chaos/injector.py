"""Does what is planned to processes that are ours."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from orchestrator import clock
from orchestrator.chaos.deployment import Deployment, Member
from orchestrator.chaos.faults import Fault, Planned
from orchestrator.chaos.freezer import Freezer
from orchestrator.chaos.local_process import ProcessGone, has_ended, held, send
from orchestrator.errors import StoreUnavailable

REPLACED_SECONDS = 60.0
"""Within so many seconds a supervisor has started another process, and that has reported itself."""
POLL_SECONDS = 0.1


class Injector:
    """Injects faults, one after the other; what follows of each goes on beside the next ones.

    `cut` cuts all connections to Redis and returns how many there were; `tell` is called with each fault as it begins.
    Of each role no second process is ended before the first one has another in its place, and the last one of a role
    only if something has started another of any role: where nothing does, the deployment goes on serving. `findings`
    are sentences about processes that did not leave or come back.
    """

    def __init__(
        self,
        deployment: Deployment,
        freezer: Freezer,
        cut: Callable[[], Awaitable[int]],
        tell: Callable[[Fault], None],
        leave_seconds: float,
    ) -> None:
        self._deployment = deployment
        self._freezer = freezer
        self._cut = cut
        self._tell = tell
        self._leave_seconds = leave_seconds
        self._locked: set[str] = set()
        self._are_replaced: set[str] = set()
        self.faults: list[Fault] = []
        self.findings: list[str] = []

    async def inject(self, planned: Iterable[Planned], stop: asyncio.Event, seconds: float) -> None:
        """Inject what is planned, for so long, or until `stop`. Return when all that was harmed is well or given up."""
        async with asyncio.TaskGroup() as following:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    for fault in planned:
                        if await _is_set_within(stop, fault.after):
                            return
                        await self._begin(fault, following)

    async def _begin(self, planned: Planned, following: asyncio.TaskGroup) -> None:
        if planned.kind == "cut":
            await self._cut_all()
            return
        member = await self._victim(planned)
        fault = Fault(planned.kind, clock.now(), member.victim)
        member.is_harmed = True
        match planned.kind:
            case "freeze":
                following.create_task(self._freeze(fault, member, planned.seconds))
            case "kill":
                following.create_task(self._end(fault, member, signal.SIGKILL))
            case "roll":
                following.create_task(self._end(fault, member, signal.SIGTERM))

    async def _victim(self, planned: Planned) -> Member:
        """Return the process that the plan means, as soon as there is one that may be harmed."""
        while True:
            living = self._deployment.living()
            candidates = [
                member for member in living
                if not member.is_harmed and (planned.kind == "freeze" or self._may_end(member, living))
            ]  # fmt: skip
            if candidates:
                return candidates[int(planned.whom * len(candidates)) % len(candidates)]
            await asyncio.sleep(POLL_SECONDS)

    def _may_end(self, member: Member, living: list[Member]) -> bool:
        role = member.victim.role
        is_last = sum(other.victim.role == role for other in living) == 1
        return role not in self._locked and not (is_last and not self._are_replaced)

    async def _cut_all(self) -> None:
        fault = Fault("cut", clock.now())
        with suppress(StoreUnavailable):
            fault.connections = await self._cut()
            fault.until = clock.now()
            self._note(fault)

    async def _freeze(self, fault: Fault, member: Member, seconds: float) -> None:
        fault.seconds = seconds
        with suppress(ProcessGone):
            self._note(fault)
            await self._freezer.freeze(member.process, seconds)
        fault.until = clock.now()
        member.is_harmed = not member.is_alive

    async def _end(self, fault: Fault, member: Member, number: signal.Signals) -> None:
        role = member.victim.role
        if role not in self._are_replaced:
            self._locked.add(role)
        try:
            with held(member.process) as descriptor:
                send(descriptor, number)
                self._note(fault)
                await self._until_ended(descriptor, fault)
        except ProcessGone:
            self._locked.discard(role)
            return
        await self._until_replaced(fault, role)

    async def _until_ended(self, descriptor: int, fault: Fault) -> None:
        try:
            async with asyncio.timeout(self._leave_seconds):
                while not has_ended(descriptor):
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            self.findings.append(f"{fault.victim} did not leave within {self._leave_seconds:g} s of SIGTERM")
            with suppress(ProcessGone):
                send(descriptor, signal.SIGKILL)

    async def _until_replaced(self, fault: Fault, role: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REPLACED_SECONDS):
                while self._deployment.replacement_of(fault.at, role) is None:
                    await asyncio.sleep(POLL_SECONDS)
                self._are_replaced.add(role)
                self._locked.discard(role)
                fault.until = clock.now()
                return
        self._locked.add(role)
        self._are_replaced.discard(role)
        self.findings.append(
            f"{fault}, and nothing has started another within {REPLACED_SECONDS:g} s. Run it under a supervisor: "
            "`voiceagent dev`, systemd, a container with a restart policy"
        )

    def _note(self, fault: Fault) -> None:
        self.faults.append(fault)
        self._tell(fault)


async def _is_set_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
