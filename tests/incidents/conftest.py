"""The incidents of the shared server."""

import pytest
from redis.asyncio import Redis
from support.incident_place import Place


@pytest.fixture
async def place(redis_client: Redis) -> Place:
    return Place(redis_client)
