"""`python -m web` and `python -m workers` on a real Redis, as one starts them by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from support import module_process
from support.module_process import Process
from support.terminal import environment
from support.waiting import wait_until

Start = Callable[..., Process]


@contextmanager
def programs(directory: Path, **common: str) -> Iterator[Start]:
    """`start("web", PORT="1234")` starts that module with this environment over the `common` one; the end kills all."""
    started: list[Process] = []

    def start(module: str, **settings: str) -> Process:
        variables = environment(**{"USE_REDIS": "true", "AGENT": "echo"} | common | settings)
        started.append(module_process.start(module, directory=directory, environment=variables))
        return started[-1]

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

    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await wait_until(is_ready, f"an ingress at {url}, and a worker, are ready", 60)
