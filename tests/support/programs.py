"""`python -m web` and `python -m workers` on a real Redis, as one starts them by hand."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.servers import die_with_parent
from support.terminal import environment
from support.waiting import wait_until

Start = Callable[..., subprocess.Popen[bytes]]


@contextmanager
def programs(directory: Path, **common: str) -> Iterator[Start]:
    """`start("web", PORT="1234")` starts that module with this environment over the `common` one; the end kills all."""
    started: list[subprocess.Popen[bytes]] = []

    def start(module: str, **settings: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=directory,
            env=environment(**{"USE_REDIS": "true", "AGENT": "echo"} | common | settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()


async def ready(url: str) -> None:
    """Return when calls can be answered there."""

    async def is_ready() -> bool:
        try:
            return (await client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async with httpx.AsyncClient(base_url=url) as client:
        await wait_until(is_ready, f"an ingress at {url}, and a worker, are ready", 60)
