"""Which processes the deployment has, as it reports itself: those of now, and those that are gone."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from orchestrator import clock
from orchestrator.chaos.faults import Victim
from orchestrator.chaos.local_process import LocalProcess, local_process
from orchestrator.chaos.ownership import NotOurs, is_that_process, own_processes, started_at
from orchestrator.client import Client, ClientError

POLL_SECONDS = 0.5
COMPLETE_SECONDS = 20.0
GONE = ("lost", "silent")


class Member:
    """One process, from its first report on. `is_harmed` while its end would be our doing."""

    def __init__(self, victim: Victim, process: LocalProcess, started_at: float) -> None:
        self.victim = victim
        self.process = process
        self.started_at = started_at
        self.is_harmed = False
        self.is_draining = False
        self.is_replacement = False
        """It has taken the place of one that a fault ended."""

    @property
    def is_alive(self) -> bool:
        """Return whether it runs: not whether it reports itself."""
        return self.process.is_alive


class Deployment:
    """The processes that the server's `GET /processes` reports. `ended` are sentences about those that ended although
    nothing was done to them."""

    def __init__(self, client: Client, *, host: str = "", is_mine: bool = False) -> None:
        self._client = client
        self._host = host or socket.gethostname()
        self._is_mine = is_mine
        self._members: dict[str, Member] = {}
        self._gone: set[str] = set()
        self.ended: list[str] = []

    async def begin(self, least: Mapping[str, int]) -> Counter[str]:
        """Read the processes; return how many there are of each role. Raise `ClientError`, or `NotOurs` if one is not
        ours or there are not at least so many of each role within a while."""
        reports = await self._complete(Counter(least))
        for report, process in zip(reports, own_processes(reports, self._host, is_mine=self._is_mine), strict=True):
            self._add(report, process)
        return Counter(member.victim.role for member in self._members.values())

    async def _complete(self, least: Counter[str]) -> list[dict[str, Any]]:
        end = asyncio.get_running_loop().time() + COMPLETE_SECONDS
        while True:
            reports = _present(await self._reports())
            missing = least - Counter(report["role"] for report in reports)
            is_late = asyncio.get_running_loop().time() > end
            if not missing and (is_late or not any(map(self._has_ended, reports))):
                return reports
            if is_late:
                roles = ", ".join(f"{count} {role}" for role, count in missing.items())
                raise NotOurs(f"The deployment lacks processes: {roles}. Start them first, as `voiceagent dev` does.")
            await asyncio.sleep(POLL_SECONDS)

    def _has_ended(self, report: Mapping[str, Any]) -> bool:
        """True for a process of this machine that has just ended: its last report is shown for a while."""
        return report["host"] == self._host and local_process(int(report["pid"])) is None

    async def watch(self) -> None:
        """Read the processes again and again, until cancelled. Raise `NotOurs` if one appears that is not ours."""
        while True:
            with suppress(ClientError):  # the ingress that is asked may just have been killed
                for report in _present(await self._reports()):
                    self._note(report)
            self._note_ended()
            await asyncio.sleep(POLL_SECONDS)

    def living(self) -> list[Member]:
        """Return the processes that run and are not about to leave, the oldest first."""
        return [member for member in self._members.values() if not member.is_draining and member.is_alive]

    def pids(self) -> list[int]:
        """Return the process ids of all."""
        return [member.process.pid for member in self._members.values()]

    def replacement_of(self, fault_at: float, role: str) -> Member | None:
        """Return a process that took the place of one ended since then, and mark it. None as long as there is none."""
        for member in self.living():
            if member.victim.role == role and not member.is_replacement and member.process.started >= fault_at - 1:
                member.is_replacement = True
                return member
        return None

    async def _reports(self) -> list[dict[str, Any]]:
        return list((await self._client.processes())["processes"])

    def _note(self, report: Mapping[str, Any]) -> None:
        member = self._members.get(str(report["id"]))
        if member is not None:
            member.is_draining = report["state"] == "draining"
            return
        process = local_process(int(report["pid"]))
        if report["host"] != self._host:
            raise NotOurs(f"The {report['role']} {report['pid']} at {report['host']} has joined: no more harm is done.")
        if str(report["id"]) not in self._gone and process is not None and is_that_process(process, report):
            self._add(report, process)

    def _add(self, report: Mapping[str, Any], process: LocalProcess) -> None:
        victim = Victim(
            str(report["id"]), str(report["role"]), str(report["host"]), process.pid, str(report.get("version") or "")
        )
        self._members[victim.id] = Member(victim, process, started_at(report))

    def _note_ended(self) -> None:
        for name, member in list(self._members.items()):
            if not member.is_alive:
                del self._members[name]
                self._gone.add(name)
                if not (member.is_harmed or member.is_draining):
                    self.ended.append(f"{member.victim} ended by itself, {_ago(clock.now() - member.started_at)}")


def _present(reports: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [report for report in reports if report["state"] not in GONE]


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s after its start"
