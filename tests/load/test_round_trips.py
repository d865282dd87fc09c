"""What a turn costs Redis, counted: submit, commit, and not a round trip more; wake and claim if no worker has room."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY
from support.program import Program, Start, clean_environment
from support.servers import RedisServer, ServerFactory
from support.waiting import wait_until

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.opening import open_runtime
from orchestrator.redis import keys
from orchestrator.redis.script_call import lua_script
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait

pytestmark = pytest.mark.processes

TURNS = 200
SCRIPTS = ("submit", "claim_jobs", "commit", "publish", "claim", "release", "renew", "rescue_calls", "reject")
NAMES = {lua_script(name).sha: name for name in SCRIPTS}
PER_TURN = ("submit", "claim_jobs", "commit", "BLPOP")
OPENING = {"channel": "api", "direction": "inbound"}


class Monitor:
    """Counts what clients send; what scripts do inside of the server is no round trip."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.seen: Counter[str] = Counter()

    async def watch(self) -> None:
        async with self._redis.monitor() as monitor:
            async for sent in monitor.listen():
                if sent["client_type"] != "lua":
                    self.seen[self._name(sent["command"])] += 1

    @staticmethod
    def _name(command: str) -> str:
        words = command.split()
        name = words[0].upper()
        return NAMES.get(words[1], words[1]) if name == "EVALSHA" else name


@asynccontextmanager
async def monitored(server: RedisServer) -> AsyncIterator[Counter[str]]:
    async with Redis.from_url(server.url) as redis:
        monitor = Monitor(redis)
        watching = asyncio.create_task(monitor.watch())
        try:
            async with Redis.from_url(server.url) as probe:
                await wait_until(lambda: _noticed(probe, monitor), "the monitor sees commands")
            monitor.seen.clear()
            yield monitor.seen
        finally:
            await cancel_and_wait(watching)


async def _noticed(probe: Redis, monitor: Monitor) -> bool:
    await probe.echo("hello")
    return monitor.seen["ECHO"] > 0


@pytest.fixture(params=[{}, {"state_encryption_keys": KEY}], ids=["plain", "encrypted"])
def encryption(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of encryption."""
    settings: dict[str, str] = request.param
    return settings


@pytest.fixture
async def redis_with_a_worker(
    start_redis: ServerFactory, start: Start, tmp_path: Path, encryption: dict[str, str]
) -> RedisServer:
    server = start_redis()
    keys_of = {name.upper(): value for name, value in encryption.items()}
    environment = clean_environment(USE_REDIS="true", REDIS_URL=server.url, AGENT="echo", **keys_of)
    worker: Program = start("workers", tmp_path, environment)
    client = server.client()
    await wait_until(lambda: client.zcard(keys.WORKERS) == 1, f"a worker is ready: {worker.log}", timeout=60)
    return server


async def test_a_turn_takes_one_submit_one_wake_one_claim_one_commit(
    redis_with_a_worker: RedisServer, encryption: dict[str, str]
) -> None:
    """As while no worker has room: nothing is pushed while a job waits, here one that another worker runs."""
    with redis_with_a_worker.client() as client:
        client.set(keys.SINGLE_SHARD.in_progress("of another"), 1, ex=600)
        client.zadd(keys.QUEUE, {"of another": 1})
    counted, polls = await counts_of_turns(redis_with_a_worker, encryption)
    assert TURNS <= counted["claim_jobs"] <= TURNS + polls
    assert TURNS <= counted["BLPOP"] <= TURNS + polls


async def test_a_turn_that_is_pushed_takes_one_submit_and_one_commit(
    redis_with_a_worker: RedisServer, encryption: dict[str, str]
) -> None:
    counted, polls = await counts_of_turns(redis_with_a_worker, encryption)
    queued = (
        TURNS / 4
    )  # so many a machine that stops for seconds may keep from a push: nobody knows whether the worker lives
    assert counted["claim_jobs"] <= polls + queued
    assert counted["BLPOP"] <= polls + queued


async def counts_of_turns(server: RedisServer, encryption: dict[str, str]) -> tuple[Counter[str], float]:
    """Return what was sent while turns were taken one at a time, and how often the worker may have polled meanwhile."""
    settings = Settings(_env_file=None, use_redis=True, redis_url=server.url, **encryption)
    async with open_runtime(settings) as runtime:

        async def take(number: int) -> None:
            call_sid = f"CA{number // 10}"
            turn = Turn(turn_id=f"t{number}", call_sid=call_sid, kind="speech", text="hello")
            pending = await runtime.dispatcher.submit(turn, opening=OPENING)
            assert await pending.wait(60) is not None

        await take(-1)  # scripts are loaded, connections made
        async with monitored(server) as seen:
            began = asyncio.get_running_loop().time()
            for number in range(TURNS):
                await take(number)
            await wait_until(lambda: seen["commit"] >= TURNS, "the monitor has seen the last commit")
            seconds = asyncio.get_running_loop().time() - began
            polls = seconds / 0.5 + 5  # three of them for a cron job that falls due meanwhile
            counted = Counter(seen)
    assert counted["submit"] == TURNS
    assert counted["commit"] == TURNS
    rest = {name: count for name, count in counted.items() if name not in PER_TURN}
    assert sum(rest.values()) < TURNS / 2 + 10 * seconds, f"something else is sent for every turn: {rest}"
    return counted, polls
