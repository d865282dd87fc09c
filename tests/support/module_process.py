"""`python -m MODULE`, forked from a Python that has imported the product already: `support/fork_server.py`.

What it does from its first line on is the same. A test of the start itself, of what a process imports or of its
command line starts an interpreter instead, by `subprocess`.
"""

import atexit
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from support.fork_server import LENGTH
from support.servers import die_with_parent
from support.skew import SKEWED

IMPORTED = {
    "web": (
        "web.app", "web.program", "web.server",
        # With Redis, imported when it opens its runtime.
        "orchestrator.dispatch.in_process", "orchestrator.dispatch.opening", "orchestrator.dispatch.redis_runtime",
        "hiredis", "jwt", "uvicorn.lifespan.off", "uvloop",
    ),
    "workers": ("workers.program", "importlib.resources.readers", "orchestrator.agents.echo"),
    "orchestrator.cli.main": (
        *(f"orchestrator.cli.{name}" for name in (
            "api_keys", "call", "calls", "chaos", "dead_letters", "doctor", "drain", "encryption", "erase", "events",
            "load", "records", "rollout", "routes", "top", "workers",
        )),
        # Imported when a command begins its work.
        "anyio._backends._asyncio", "httpcore", "orchestrator.chaos.run", "orchestrator.events.redis.opening",
        "orchestrator.load.load_run", "orchestrator.processes.redis.drain", "orchestrator.resealing.rotation",
        "orchestrator.worker_versions.redis.rollouts",
    ),
}  # fmt: skip
"""Program → what it has imported when it works, Redis included; a few commands need less."""
SERVER = Path(__file__).with_name("fork_server.py")
INTERPRETERS = ("PYTHON", "LD_", "LC_", "LANG", "OPENSSL_")
"""How the names of variables begin that an interpreter reads when it starts."""
OURS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
"""Those that a forked one heeds."""


class Process(Protocol):
    """What tests need of a process, as `subprocess.Popen` has it."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class ForkedProcess:
    """A child of a fork server, like a `subprocess.Popen`."""

    def __init__(self, pid: int, server: "ForkServer") -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Its exit status, or None while it runs. Two threads may ask: the system tells it only once."""
        with self._lock:
            if self.returncode is None:
                self.returncode = self._server.request({"wait": self.pid})["status"]
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. Raise `subprocess.TimeoutExpired`."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError), _closing(os.pidfd_open(self.pid)) as ended:  # or it is gone
                if not select.select([ended], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.poll()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks, with the socket to it. It ends with this process, and its children with it."""

    def __init__(self, modules: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(SERVER), str(theirs.fileno()), *modules], env=environment,
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self._answers = self._socket.makefile("rb")

    def request(self, message: Mapping[str, Any], descriptors: tuple[int, ...] = ()) -> dict[str, Any]:
        """What it answers."""
        body = json.dumps(message).encode()
        with self._lock:
            socket.send_fds(self._socket, [LENGTH.pack(len(body))], descriptors)
            self._socket.sendall(body)
            answer = self._answers.readline()
        assert answer, f"the fork server ended with {self._process.wait(30)}"
        return dict(json.loads(answer))

    def close(self) -> None:
        """End it, and its children."""
        self._answers.close()
        self._socket.close()
        self._process.wait(30)


_servers: dict[tuple[str, ...], ForkServer] = {}
_starting = threading.Lock()


def start(
    module: str,
    *arguments: str,
    directory: Path,
    environment: Mapping[str, str],
    input: int = subprocess.DEVNULL,
    output: int = subprocess.DEVNULL,
    errors: int = subprocess.STDOUT,
    new_session: bool = False,
    controls_terminal: bool = False,
) -> Process:
    """Start a module of the product; the streams are descriptors, or what `subprocess` has for them.

    With `controls_terminal`, its session gets the terminal that is its input: Ctrl-C reaches it no other way.
    """
    if not _can_be_forked(module, arguments, environment):
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=directory, env=environment, stdin=input, stdout=output,
            stderr=errors, start_new_session=new_session,
            preexec_fn=_take_terminal if controls_terminal else die_with_parent,
        )  # fmt: skip
    sys.audit("support.module_process.start", module, arguments)
    server = server_for(module, environment)
    request = {
        "module": module, "arguments": arguments, "directory": str(directory), "environment": dict(environment),
        "new_session": new_session, "controls_terminal": controls_terminal,
    }  # fmt: skip
    ready, theirs = os.pipe()
    with _closing(ready):
        with _closing(theirs), _closing(os.open(os.devnull, os.O_RDWR)) as nothing:
            input, output = (nothing if stream == subprocess.DEVNULL else stream for stream in (input, output))
            errors = output if errors == subprocess.STDOUT else errors
            pid = server.request(request, (input, output, errors, theirs))["pid"]
        os.read(ready, 1)  # until the child, its last holder, has closed it
    return ForkedProcess(pid, server)


def _take_terminal() -> None:
    die_with_parent()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _can_be_forked(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """False if nothing of it is imported, if its interpreter loads something unknown at its start, or without Linux."""
    if sys.platform != "linux" or module not in IMPORTED or arguments[:1] == ("dev",):
        return False
    return set(_loaded_at_start(environment)) <= {str(SKEWED)}


def _loaded_at_start(environment: Mapping[str, str]) -> list[str]:
    """The directories with a module that an interpreter loads before anything else."""
    places = environment.get("PYTHONPATH", "").split(os.pathsep)
    return [place for place in places if place and Path(place, "sitecustomize.py").exists()]


def server_for(module: str, environment: Mapping[str, str]) -> ForkServer:
    """One for each environment in which an interpreter starts."""
    kept = {k: v for k, v in environment.items() if k.startswith(INTERPRETERS) and k not in OURS}
    if loaded := _loaded_at_start(environment):
        kept["PYTHONPATH"] = os.pathsep.join(loaded)
    key = (module, *(f"{name}={value}" for name, value in sorted(kept.items())))
    with _starting:
        if key not in _servers:
            _servers[key] = ForkServer(IMPORTED[module], {"PATH": environment["PATH"], **kept})
            atexit.register(_servers[key].close)
        return _servers[key]


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
