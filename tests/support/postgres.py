"""A real PostgreSQL for tests, on a free port of loopback; it dies with the process that started it."""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from support.servers import die_with_parent, free_port
from support.waiting import wait_until_sync

UNPRIVILEGED = ("postgres", "nobody")
"""PostgreSQL refuses to run as root: then it runs as the first of these that exists."""


def installed() -> bool:
    """Whether there is a PostgreSQL to start."""
    return None not in (shutil.which("initdb"), shutil.which("postgres"))


class PostgresServer:
    """One server over a directory of its own. A context manager; it may be stopped and started in between."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="va-postgres-"))
        self.port = free_port()
        self._as_user = self._unprivileged()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """For clients."""
        return f"postgresql://voiceagent@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        """Everything the server has said."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> "PostgresServer":
        """Start, and return when it accepts connections."""
        said = len(self.log)
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(shutil.which("postgres")), "-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1",
                    "-k", str(self.directory), "-F", "-c", "max_connections=60", "-c", "shared_buffers=16MB",
                ],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
                **self._as_user,
            )  # fmt: skip
        wait_until_sync(
            lambda: "ready to accept connections" in self.log[said:] or self._process.poll() is not None,
            "PostgreSQL starts", timeout=60,
        )  # fmt: skip
        assert self._process.poll() is None, self.log[-2000:]
        return self

    def stop(self) -> None:
        """End it at once, and all its connections. Twice is fine."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)

    def __enter__(self) -> "PostgresServer":
        atexit.register(self._remove)
        subprocess.run(
            [str(shutil.which("initdb")), "-D", str(self._data), "-U", "voiceagent", "-A", "trust", "-E", "UTF8",
             "--no-sync", "--locale=C"],
            cwd=self.directory, check=True, capture_output=True, **self._as_user,
        )  # fmt: skip
        return self.start()

    def __exit__(self, *_: object) -> None:
        self._remove()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _unprivileged(self) -> dict[str, object]:
        if os.geteuid() != 0:
            return {}
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = pwd.getpwnam(next(name for name in UNPRIVILEGED if name in names))
        os.chown(self.directory, user.pw_uid, user.pw_gid)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
