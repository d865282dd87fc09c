"""Wrong values under the scripts and the readers of what they return: an error of the product at most, and no script
that fails."""

import pytest
from fuzz.corpus import inputs_of
from fuzz.store_fuzzer import WORKER_CHANNEL, StoreFuzzer
from redis.asyncio import Redis

INPUTS = 150
SEED = 20261127

pytestmark = pytest.mark.slow


async def test_no_value_in_redis_breaks_a_script_or_its_reader(redis_client: Redis) -> None:
    fuzzer = StoreFuzzer(redis_client, SEED)
    async with redis_client.pubsub() as worker:
        await worker.subscribe(WORKER_CHANNEL)
        for kept in inputs_of("redis"):
            assert not (wrong := await fuzzer.wrong_with(kept)), wrong
        for number in range(INPUTS):
            wrong = await fuzzer.wrong_with_next()
            assert not wrong, f"input {number}: {wrong}"
    await redis_client.flushall()  # names that are no text would break what looks at the keys of all tests
