"""Processes of this machine: who they are, by /proc, and signals that reach nobody else."""

import os
import select
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_STARTED_FIELD = 19
"""Of /proc/PID/stat, counted from the field after the command: clock ticks from the boot until the start."""


class ProcessGone(Exception):
    """The process has ended."""


@dataclass(frozen=True, slots=True)
class LocalProcess:
    """A process of this machine. `ticks`, its start since the boot, tells it from a later one with the same `pid`.

    `started` is the same in Unix seconds, as exact as the kernel knows when it was booted: to a second.
    """

    pid: int
    user: int
    ticks: int
    started: float
    command: tuple[str, ...]

    @property
    def is_alive(self) -> bool:
        """True while it runs."""
        now = local_process(self.pid)
        return now is not None and now.ticks == self.ticks


def local_process(pid: int) -> LocalProcess | None:
    """Return the process, or None if there is none, or one that has ended and was not reaped."""
    try:
        stat = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        command = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        user = (PROC / str(pid)).stat().st_uid
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    if stat[0] in "ZX":
        return None
    ticks = int(stat[_STARTED_FIELD])
    started = _booted_at() + ticks / os.sysconf("SC_CLK_TCK")
    return LocalProcess(pid, user, ticks, started, tuple(filter(None, command)))


@contextmanager
def held(process: LocalProcess) -> Iterator[int]:
    """Yield a file descriptor that stays that process's even if its number is given to another. Raise `ProcessGone`."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        raise ProcessGone from None
    try:
        if not process.is_alive:
            raise ProcessGone
        yield descriptor
    finally:
        os.close(descriptor)


def send(descriptor: int, number: signal.Signals) -> None:
    """Send a signal to the process that `held` yielded. Raise `ProcessGone`."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        raise ProcessGone from None


def has_ended(descriptor: int) -> bool:
    """Return whether the process that `held` yielded has ended."""
    return bool(select.select([descriptor], [], [], 0)[0])


def variables_of(pid: int) -> set[str]:
    """Return the variables that a process was started with, each as `NAME=value`."""
    try:
        return set((PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return set()


def sockets_of(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    try:
        descriptors = list((PROC / str(pid) / "fd").iterdir())
    except (FileNotFoundError, PermissionError):
        return set()
    found: set[str] = set()
    for each in descriptors:
        try:
            target = os.readlink(each)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target.removeprefix("socket:[").removesuffix("]"))
    return found


def tcp_ports_of(pids: Collection[int]) -> set[int]:
    """Return the local ports of the TCP connections that these processes have open."""
    ours = {inode for pid in pids for inode in sockets_of(pid)}
    ports: set[int] = set()
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (PROC / table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        rows = [line.split() for line in lines]
        ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in ours}
    return ports


def _booted_at() -> float:
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    raise OSError("/proc/stat does not say when the machine was booted")
