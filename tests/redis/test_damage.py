"""A key of the wrong type is renamed, and what it stopped is done again."""

import asyncio

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.turns.redis import lease_scripts
from orchestrator.turns.store import Lease

MANY = 20


async def test_all_who_find_the_same_damage_go_on(redis_client: Redis) -> None:
    runner = ScriptRunner(redis_client)
    renewal = lease_scripts.renew(lease=Lease("CA1", "anna", 1), lease_ms=100, shard=keys.SINGLE_SHARD)
    for _ in range(10):
        await redis_client.set(keys.call("CA1").lease, "no hash", ex=100)
        found = await asyncio.gather(*(runner.run(renewal) for _ in range(MANY)))
        assert found == [False] * MANY


async def test_all_whose_command_finds_the_same_damage_go_on(redis_client: Redis) -> None:
    for _ in range(10):
        await redis_client.set(keys.DEAD_LETTERS, "no hash", ex=100)
        found = await asyncio.gather(
            *(
                with_sound_keys(redis_client, [keys.DEAD_LETTERS], lambda: redis_client.hlen(keys.DEAD_LETTERS))
                for _ in range(MANY)
            )
        )
        assert found == [0] * MANY
