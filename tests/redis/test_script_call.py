"""How the text of a script is put together."""

import pytest
from redis.asyncio import Redis

from orchestrator.redis.script_call import lua_script


@pytest.mark.parametrize(("name", "number_of_keys"), [("submit", 22), ("commit", 16)])
@pytest.mark.parametrize(("keys", "are_made"), [("0", 0), ("2", 1)])
async def test_functions_that_few_runs_need_are_made_in_those(
    redis_client: Redis, name: str, number_of_keys: int, keys: str, are_made: int
) -> None:
    text = lua_script(name).text
    parts = text[: text.index("\nlocal call_sid")]  # what is included comes before the script's own lines
    args = ["0"] * 30
    args[number_of_keys - 1] = keys
    look = "\nreturn {announce and 1 or 0, mark_announced and 1 or 0, lane_of and 1 or 0}"
    assert await redis_client.eval(parts + look, 0, *args) == [are_made, are_made, 1]
