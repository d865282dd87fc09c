"""Workers in processes of their own, an ingress that submits turns to them, and agents for the tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.dispatchers import open_dispatcher
from support.processes import WorkerProcess

from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.state.redis import RedisStateManager

AGENTS = '''
import asyncio, os, signal
from pathlib import Path

async def echo(turn, state):
    with open("runs", "a") as runs:
        print(turn.turn_id, os.getpid(), file=runs)
    yield f"you said {turn.text}"

async def slow(turn, state):
    """Speaks a word at a time, until the file named `go` is there."""
    with open("runs", "a") as runs:
        print(turn.turn_id, os.getpid(), file=runs)
    yield f"first words by {os.getpid()} "
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    yield f"last words by {os.getpid()}"

async def deadly(turn, state):
    """Dies once the file named `go` is there."""
    if turn.text == "die":
        yield "argh"
        while not Path("go").exists():
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    yield f"you said {turn.text}"
'''

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def start_worker(tmp_path: Path, redis_url: str) -> Iterator[StartWorker]:
    """`start_worker("slow")` starts a worker with that agent. A worker that still runs is killed after the test."""
    (tmp_path / "trial_agents.py").write_text(AGENTS)
    workers: list[WorkerProcess] = []

    def start(agent: str = "echo", *, url: str = redis_url, **settings: str) -> WorkerProcess:
        worker = WorkerProcess(
            tmp_path, redis_url=url, agents=tmp_path, STATE_TTL_SECONDS="100", AGENT=f"trial_agents:{agent}", **settings
        )
        workers.append(worker)
        return worker.start()  # type: ignore[return-value]

    yield start
    for worker in workers:
        worker.__exit__(None)
        print(f"--- worker {worker.pid}\n{worker.log[-5000:]}")  # noqa: T201  pytest shows it if the test failed


@pytest.fixture
def runs(tmp_path: Path) -> Callable[[], list[str]]:
    """Return the turn ids that agents began to answer, one for each run."""
    path = tmp_path / "runs"
    return lambda: [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def states(redis_client: Redis) -> RedisStateManager:
    return RedisStateManager(redis_client, 100)


@pytest.fixture
async def dispatchers(redis_url: str) -> AsyncIterator[list[QueuedDispatcher]]:
    """Two ingresses."""
    async with open_dispatcher(redis_url, "one") as one, open_dispatcher(redis_url, "two") as two:
        yield [one, two]


@pytest.fixture
def dispatcher(dispatchers: list[QueuedDispatcher]) -> QueuedDispatcher:
    """An ingress."""
    return dispatchers[0]
