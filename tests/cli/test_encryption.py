"""`voiceagent encryption`: keys, what lies under which, and writing everything anew."""

import base64
import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY, OTHER_KEY, with_keys
from support.terminal import run_script

from orchestrator import clock
from orchestrator.encryption.keys import key_list
from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.resealing.rotation import key_use
from orchestrator.state.redis import RedisStateManager

pytestmark = pytest.mark.processes

FIRST, SECOND = key_list(KEY).all[0].id.hex(), key_list(OTHER_KEY).all[0].id.hex()


@pytest.fixture
def encryption(redis_url: str, tmp_path: Path):
    """`voiceagent encryption ARGUMENTS` with the given keys: exit code, output, errors."""

    def run(*arguments: str, text: str = ""):
        settings = {"USE_REDIS": "true", "REDIS_URL": redis_url}
        settings |= {"STATE_ENCRYPTION_KEYS": text} if text else {}
        return run_script("encryption", *arguments, cwd=tmp_path, settings=settings)

    return run


async def test_a_new_key_is_one_that_the_setting_takes(encryption) -> None:
    code, output, errors = await encryption("new-key")
    assert (code, errors) == (0, "")
    assert len(base64.b64decode(output.strip(), validate=True)) == 32
    assert (await encryption("new-key"))[1] != output


async def test_status_says_who_has_which_key_and_what_lies_under_which(encryption, redis_client: Redis) -> None:
    await RedisStateManager(with_keys(redis_client), 60).create_state("CA1")
    await redis_client.zadd(keys.WORKERS, {"w1": clock.now()})
    await redis_client.set(keys.worker_status("w1"), json.dumps({"keys": [FIRST], "missing_keys": [SECOND]}), ex=60)
    await redis_client.expire(keys.WORKERS, 60)
    code, output, errors = await encryption("status", text=f"{OTHER_KEY},{KEY}")
    assert (code, errors) == (0, "")
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert f"this command {SECOND} {FIRST} -" in lines
    assert f"w1 {FIRST} - {SECOND}" in lines
    assert lines[-2:] == [f"VALUES {FIRST}", "states of calls 1"]
    assert KEY not in output
    assert OTHER_KEY not in output
    shown = json.loads((await encryption("status", "--json", text=KEY))[1])
    assert shown["values"] == {"states of calls": {FIRST: 1}}


async def test_rotate_writes_everything_under_the_first_key_and_says_what_is_left(
    encryption, redis_client: Redis
) -> None:
    await RedisStateManager(with_keys(redis_client), 60).create_state("CA1")
    code, output, errors = await encryption("rotate", text=OTHER_KEY)
    assert code == 1
    assert f"under the key {FIRST}, which this process does not have" in errors
    assert "0 were encrypted" in output
    assert f"1: STATE_ENCRYPTION_KEYS lacks the key {FIRST}." in output
    code, output, _ = await encryption("rotate", text=f"{OTHER_KEY},{KEY}")
    assert (code, output) == (0, f"1 values: 1 were encrypted under {SECOND}, 0 are left.\n")
    assert (await key_use(StoreConnection(redis_client, nullcontext))).key_ids == [SECOND]
    assert json.loads((await encryption("rotate", "--json", text=OTHER_KEY))[1]) == {
        "values": 1,
        "resealed": 0,
        "left": {},
    }


async def test_rotate_without_keys_is_refused(encryption) -> None:
    code, _, errors = await encryption("rotate")
    assert code == 2
    assert "STATE_ENCRYPTION_KEYS is not set here" in errors
