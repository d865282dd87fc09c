"""Schedules with encryption keys: what a process does that lacks the key of an item."""

from redis.asyncio import Redis
from support.encrypted_redis import OTHER_KEY, unencrypted, with_keys

from orchestrator.redis import keys
from orchestrator.testing.schedule_contract import ROOM, a_message, an_activity, written
from orchestrator.turns.redis.store import RedisTurnStore


async def test_an_item_whose_key_is_missing_is_left_to_others(redis_client: Redis, redis_url: str, caplog) -> None:
    schedule = RedisTurnStore(with_keys(redis_client), ttl_seconds=60).schedule
    await written(schedule, a_message(), an_activity())
    assert await unencrypted(redis_client) == []
    async with Redis.from_url(redis_url) as client:
        stranger = RedisTurnStore(with_keys(client, OTHER_KEY), ttl_seconds=60).schedule
        assert await stranger.claim("CA1", "stranger", ROOM) == []
    assert "schedule.unreadable" not in [getattr(record, "action", "") for record in caplog.records]
    for field, lease in (await redis_client.hgetall(keys.schedule("CA1"))).items():
        if field.startswith(b"l:"):
            holder, _, rest = lease.decode().split(" ", 2)
            await redis_client.hset(keys.schedule("CA1"), field, f"{holder} 1 {rest}")  # its pause is over
    runs = await schedule.claim("CA1", "anna", ROOM)
    assert sorted((run.item.kind, run.attempt, run.failures) for run in runs) == [
        ("activity", 1, 0),
        ("message", 1, 0),
    ], "it counts as no attempt"


async def test_an_item_that_was_moved_to_another_call_is_not_carried_out(redis_client: Redis, caplog) -> None:
    schedule = RedisTurnStore(with_keys(redis_client), ttl_seconds=60).schedule
    await written(schedule, a_message())
    await redis_client.rename(keys.schedule("CA1"), keys.schedule("CA2"))
    assert await schedule.claim("CA2", "anna", ROOM) == []
    assert "schedule.unreadable" in [getattr(record, "action", "") for record in caplog.records]
