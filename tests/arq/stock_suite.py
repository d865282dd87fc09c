"""Runs arq's own test suite with our worker in the place of arq's: `make arq-tests`.

    python tests/arq/stock_suite.py <unpacked source distribution of arq> [pytest arguments]

This file is also the pytest plugin that makes the exchange. It gives arq's tests the server that all our tests use
instead of the container they start, and says by name which tests cannot apply, and why.
"""

import gc
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
SUITES = ("test_worker.py", "test_cron.py", "test_jobs.py", "test_main.py")

CANNOT_APPLY: dict[str, str] = {}


def main(source: Path, arguments: list[str]) -> int:
    """pytest's exit code."""
    paths = os.pathsep.join(str(path) for path in (HERE, PROJECT, PROJECT / "tests"))
    command = [sys.executable, "-m", "pytest", "-p", "stock_suite", "-q", "-ra", "-p", "no:cacheprovider"]
    command += ["-o", "filterwarnings=default"]  # its fixtures use what later versions of redis-py deprecate
    tests = [] if any("::" in argument for argument in arguments) else [f"tests/{name}" for name in SUITES]
    return subprocess.run(
        [*command, *tests, *arguments],
        cwd=source,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    ).returncode


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot apply, with the reason."""
    for item in items:
        name = getattr(item, "originalname", None) or item.name
        if name in CANNOT_APPLY:
            item.add_marker(pytest.mark.skip(reason=CANNOT_APPLY[name]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Some tests leave their worker pending; what asyncio says when it is collected must not be in another's log."""
    if "no_result_logging" in item.name:  # the one that reads its log to the end
        gc.collect()


class EmbeddedContainer:
    """What arq's conftest asks of a container, over the embedded server."""

    port = 0

    def __init__(self, _image: str) -> None:
        from support.servers import RedisServer

        self._server = RedisServer()

    def __enter__(self) -> "EmbeddedContainer":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def get_container_host_ip(self) -> str:
        """Loopback."""
        return "127.0.0.1"

    def get_exposed_port(self, _port: int) -> int:
        """The server's port."""
        return self._server.port


def exchange() -> None:
    """Before any module of arq's tests is imported: `Worker` is ours, and nobody needs Docker."""
    import arq
    import arq.worker

    from workers.worker import TurnWorker

    arq.Worker = arq.worker.Worker = TurnWorker  # type: ignore[misc]
    containers = types.ModuleType("testcontainers.redis")
    containers.RedisContainer = EmbeddedContainer  # type: ignore[attr-defined]
    sys.modules["testcontainers"] = types.ModuleType("testcontainers")
    sys.modules["testcontainers.redis"] = containers


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
else:
    exchange()
