"""Wrong values under the scripts and the readers of what they return: an error of the product at most, and no script
that fails."""

import pytest
from fuzz.corpus import inputs_of
from fuzz.store_fuzzer import WORKER_CHANNEL, StoreFuzzer
from redis.asyncio import Redis
from support.encrypted_redis import KEY, with_keys

INPUTS = 40
SEED = 20261127

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("keys", ["", f"{KEY},plain"], ids=["plain", "encrypted"])
async def test_no_value_in_redis_breaks_a_script_or_its_reader(redis_client: Redis, keys: str) -> None:
    fuzzer = StoreFuzzer(with_keys(redis_client, keys), f"{SEED} {bool(keys)}")
    async with redis_client.pubsub() as worker:
        await worker.subscribe(WORKER_CHANNEL)
        for kept in inputs_of("redis"):
            assert not (wrong := await fuzzer.wrong_with(kept)), wrong
        for number in range(INPUTS):
            wrong = await fuzzer.wrong_with_next()
            assert not wrong, f"input {number}: {wrong}"
    await redis_client.flushall()  # names that are no text would break what looks at the keys of all tests
