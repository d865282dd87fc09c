"""One web process, as its supervisor sees it. Standard library only."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

from web.processes.channel import Channel
from web.processes.plan import Plan
from web.processes.samples import Samples

STABLE_SECONDS = 5.0
"""A process that served for so long has started well, however it ends."""


class WebProcess:
    """A running process, number `number` of the plan's."""

    def __init__(self, number: int, plan: Plan) -> None:
        self.number = number
        self.started_at = time.monotonic()
        self.heartbeat_at: float | None = None
        self.ready_at: float | None = None
        self.connections = 0
        self.samples: Samples = {}
        """Its counters and histograms, as it sent them last."""
        self.gauges: Samples = {}
        """Those of its gauges that add up over processes, likewise."""
        self.kill_at: float | None = None
        """When it is killed, if it still runs: it was told to leave."""
        self.hang = ""
        """Why it was killed as hung."""
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        sockets = ",".join(map(str, plan.sockets))
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable, *plan.python, "-m", "web.processes.child",
                    str(number), str(os.getpid()), str(theirs.fileno()), sockets,
                ],
                pass_fds=[theirs.fileno(), *plan.sockets],
                process_group=0,  # Ctrl-C reaches the supervisor alone, which passes it on once
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """True if it serves, and was not told to leave."""
        return self.ready_at is not None and self.kill_at is None

    @property
    def age(self) -> float:
        """For how many seconds it has run."""
        return time.monotonic() - self.started_at

    def has_started_well(self, now: float) -> bool:
        """True if it has served for a while."""
        return self.ready_at is not None and now - self.ready_at >= STABLE_SECONDS

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def leave_by(self, kill_at: float) -> None:
        """Note that it was told to leave, and may take until then."""
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def check(self, now: float, plan: Plan) -> None:
        """Kill it if it takes too long to start, to answer or to leave."""
        if self.kill_at is not None:
            if now >= self.kill_at:
                self.signal(signal.SIGKILL)
            return
        if self.heartbeat_at is not None and now - self.heartbeat_at > plan.hung_seconds:
            self.hang = f"its event loop was blocked for {plan.hung_seconds:g} s"
        elif self.ready_at is None and now - self.started_at > plan.start_seconds:
            self.hang = f"it did not serve within {plan.start_seconds:g} s"
        if self.hang:
            self.signal(signal.SIGKILL)

    def forgive(self, seconds: float) -> None:
        """Do not count a time in which the supervisor did not run either, such as that of a suspended machine."""
        self.started_at += seconds
        if self.heartbeat_at is not None:
            self.heartbeat_at += seconds

    def ended(self, code: int) -> None:
        """Note that it has ended, and was reaped."""
        self._process.returncode = code
        self.channel.close()
