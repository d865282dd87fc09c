"""`Supervisor`: keeps several web processes running on one port.

Its program takes the place of `python -m web`, with its process id, once that has read the settings and bound the port.
It imports the standard library and the logs only: an agent, a client or a server in it could fail, and it must not.
"""

import contextlib
import logging
import math
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator

from web.processes.channel import Message
from web.processes.gathering import Gatherings
from web.processes.plan import Plan
from web.processes.rolling_restart import RollingRestart
from web.processes.slot import Slot
from web.processes.web_process import WebProcess

logger = logging.getLogger(__name__)

FIRST_SECONDS = 30.0
"""The first process starts alone, so that what is wrong with the agent is said once; the others start when it serves,
or after this time."""
CLOSING_SECONDS = 10.0
"""A process may take so much longer than its drain, to close its connections."""
CHECK_SECONDS = 1.0
SUSPENDED_SECONDS = 5.0
"""A supervisor that did not run for so long was stopped, and its processes probably too."""
MAX_FAILED_STARTS = 5
"""So many starts in a row failed while no process serves: whoever started us may know better."""
CODES_OF_LEAVING = (0, -signal.SIGTERM, -signal.SIGINT)
"""How a process ends that was told to leave. While Python starts, a signal still kills it."""
FORCED = 3
"""The signal that ends all processes at once: the first two are passed on."""


class Supervisor:
    """Starts, watches and replaces the processes of `plan`, until a signal."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sockets = [socket.socket(fileno=descriptor) for descriptor in plan.sockets]
        self._slots = [Slot(number) for number in range(1, plan.processes + 1)]
        self._processes: dict[int, WebProcess] = {}
        self._selector = selectors.DefaultSelector()
        self._gatherings = Gatherings(self._processes.values)
        self._rolling = RollingRestart(self._start, self._leave)
        self._has_terminal = _has_terminal()
        self._has_served = False
        self._was_forwarded = False
        self._failed_starts = 0
        self._signals = 0
        self._code = 0
        self._checked_at = time.monotonic()

    def run(self) -> int:
        """Run until all processes have ended after a signal, or none can start. Return the exit code."""
        wake_up = _handle_signals()
        self._selector.register(wake_up, selectors.EVENT_READ)
        count = self._plan.processes
        logger.info("Serving with %d processes", count, extra={"action": "web.supervising", "processes": count})
        while self._act():
            for process in self._processes.values():
                self._watch(process)
            for key, _ in self._selector.select(self._seconds_to_wait()):
                if key.fileobj is wake_up:
                    for number in wake_up.recv(4096):
                        self._on_signal(number)
                elif isinstance(key.data, WebProcess):
                    self._on_message(key.data)
            self._reap()
        return self._code

    @property
    def _is_leaving(self) -> bool:
        return self._signals > 0

    def _act(self) -> bool:
        """Do what is due. Return False when the supervisor is done."""
        now = time.monotonic()
        if now - self._checked_at > SUSPENDED_SECONDS:
            for process in self._processes.values():
                process.forgive(now - self._checked_at)
        self._checked_at = now
        self._gatherings.answer_due_ones()
        for process in self._processes.values():
            process.check(now, self._plan)
        if self._is_leaving:
            return bool(self._processes)
        for slot in self._slots:
            if slot.start_at <= now and self._may_start(slot, now):
                slot.start_at = math.inf
                self._start(slot.number)
        return True

    def _may_start(self, slot: Slot, now: float) -> bool:
        if self._has_served or not self._processes:
            return True
        return now - min(process.started_at for process in self._processes.values()) >= FIRST_SECONDS

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        due = [*self._gatherings.deadlines(), *(slot.start_at for slot in self._slots if slot.start_at > now)]
        return max(0.0, min([now + CHECK_SECONDS, *due]) - now)

    def _start(self, number: int) -> WebProcess:
        process = WebProcess(number, self._plan)
        self._processes[process.pid] = process
        if self._was_forwarded:
            process.channel.send({"type": "forwarded"})
        return process

    def _watch(self, process: WebProcess) -> None:
        """Have the selector return when the process has sent something, or can read what waits for it."""
        channel = process.channel
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.has_unsent else 0)
        if channel not in self._selector.get_map():
            if channel.is_open:
                self._selector.register(channel, events, process)
        elif not channel.is_open:
            self._selector.unregister(channel)
        else:
            self._selector.modify(channel, events, process)

    def _leave(self, process: WebProcess) -> None:
        """Tell a process to drain, while others accept connections on the port."""
        process.channel.send({"type": "leave"})
        process.leave_by(time.monotonic() + self._plan.drain_seconds + CLOSING_SECONDS)

    def _on_message(self, process: WebProcess) -> None:
        process.channel.flush()
        for message in process.channel.receive():
            self._on(process, message)

    def _on(self, process: WebProcess, message: Message) -> None:
        match message["type"]:
            case "heartbeat":
                process.heartbeat_at = time.monotonic()
                process.connections = message["connections"]
                others = sum(one.connections for one in self._processes.values() if one is not process)
                process.channel.send({"type": "others", "connections": others})
            case "ready":
                process.ready_at = time.monotonic()
                self._has_served = True
                self._rolling.process_ready(process)
            case "gather":
                self._gatherings.ask(process, message)
            case "samples":
                self._gatherings.add(process, message)
            case "forwarded":
                self._was_forwarded = True
                for one in self._others(process):
                    one.channel.send({"type": "forwarded"})

    def _others(self, process: WebProcess) -> Iterator[WebProcess]:
        return (one for one in self._processes.values() if one is not process)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return  # `run` reaps
        if number != signal.SIGHUP or (self._has_terminal and not _has_terminal()):
            self._pass_on(signal.SIGTERM if number == signal.SIGHUP else number)
        elif not self._is_leaving:
            self._rolling.begin([process for process in self._processes.values() if process.is_ready])

    def _pass_on(self, number: int) -> None:
        """Have all processes leave. The port is theirs from now on: the last one that leaves closes it."""
        self._signals += 1
        for opened in self._sockets:
            opened.close()
        kill_at = time.monotonic()
        kill_at += self._plan.drain_seconds + CLOSING_SECONDS if self._signals < FORCED else 0
        for process in self._processes.values():
            process.leave_by(kill_at)
            process.signal(number)

    def _reap(self) -> None:
        """Note which processes have ended. As process 1 of a container, also reap what they have left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            process = self._processes.get(pid)
            if process is not None:
                self._on_end(process, os.waitstatus_to_exitcode(status))

    def _on_end(self, process: WebProcess, code: int) -> None:
        self._on_message(process)  # what it sent last
        with contextlib.suppress(KeyError):
            self._selector.unregister(process.channel)
        process.ended(code)
        del self._processes[process.pid]
        self._gatherings.process_ended(process)
        if process.kill_at is None:
            self._on_death(process, code)
        elif code not in CODES_OF_LEAVING:
            _log_end(process, code)
            self._code = self._code or int(self._is_leaving)
        self._rolling.process_ended(process)

    def _on_death(self, process: WebProcess, code: int) -> None:
        now = time.monotonic()
        slot = self._slots[process.number - 1]
        pause = slot.pause_after(process, now)
        if not self._rolling.has_another(process):
            slot.start_at = now + pause
        self._failed_starts = 0 if process.has_started_well(now) else self._failed_starts + 1
        is_told = code == 2 and not self._has_served  # by its own one sentence
        if not is_told:
            _log_end(process, code)
        if not self._has_served or (self._failed_starts >= MAX_FAILED_STARTS and not self._serves()):
            if not is_told:
                logger.error("No process can serve: giving up", extra={"action": "web.processes_failed"})
            self._code = code if code > 0 else 128 - code if code < 0 else 1
            self._pass_on(signal.SIGTERM)

    def _serves(self) -> bool:
        return any(process.is_ready for process in self._processes.values())


def _handle_signals() -> socket.socket:
    """Return a socket that receives the number of each signal that comes."""
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # `web.processes.launch` blocked them
    return ours


def _has_terminal() -> bool:
    """True if a terminal can send us signals. When it is closed, it sends SIGHUP."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _log_end(process: WebProcess, code: int) -> None:
    how = process.hang or (f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}")
    told = {"number": process.number, "pid": process.pid, "how": how, "seconds": round(process.age, 1)}
    logger.warning("Process %d ended: %s", process.number, how, extra={"action": "web.process_ended", **told})
