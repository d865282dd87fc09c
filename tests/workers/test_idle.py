"""How many commands idle processes send to Redis, those that scripts call included."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest
from support.cluster import ClusterTopology
from support.processes import WebProcess, WorkerProcess
from support.servers import RedisServer
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes

WATCHED_SECONDS = 60.0
"""A whole minute: every cron job and every other thing that is done from time to time is in it."""
MOST = {"worker": 6.5, "web": 4.5, "worker of a cluster": 48.0, "web of a cluster": 16.0}
"""Commands a second. A worker of a cluster waits for the wake-ups of sixteen shards and looks after each, and says in
each that its version lives. Most of what an idle web sends is sent by one of all: what is looked for and kept for those
who look at the dashboard later (incidents, findings, the history)."""

Rates = dict[str, float]


def commands(nodes: Sequence[RedisServer]) -> int:
    """Return how many commands these nodes have run."""
    counted = 0
    for node in nodes:
        with node.client() as client:
            counted += sum(int(entry["calls"]) for entry in client.info("commandstats").values())
    return counted


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rates]:
    """How many commands a second each kind of process makes while it has nothing to do, all in the same minute."""
    kinds: dict[str, tuple[Callable[..., WorkerProcess | WebProcess], Callable[[], RedisServer | ClusterTopology]]] = {
        "worker": (WorkerProcess, RedisServer), "web": (WebProcess, RedisServer),
        "worker of a cluster": (WorkerProcess, ClusterTopology), "web of a cluster": (WebProcess, ClusterTopology),
    }  # fmt: skip
    with ExitStack() as stack:
        watched: dict[str, Sequence[RedisServer]] = {}
        for kind, (process, redis) in kinds.items():
            server = stack.enter_context(redis())
            stack.enter_context(process(tmp_path_factory.mktemp("idle"), redis_url=server.url))
            watched[kind] = server.nodes if isinstance(server, ClusterTopology) else [server]
        before = {kind: (commands(nodes), time.monotonic()) for kind, nodes in watched.items()}
        over = time.monotonic() + WATCHED_SECONDS
        wait_until_sync(lambda: time.monotonic() >= over, "the minute is over", 2 * WATCHED_SECONDS)
        yield {
            kind: (commands(watched[kind]) - counted) / (time.monotonic() - since)
            for kind, (counted, since) in before.items()
        }


@pytest.mark.parametrize("kind", MOST)
def test_an_idle_process_leaves_redis_alone(rates: Rates, kind: str) -> None:
    assert rates[kind] <= MOST[kind], rates
