"""A worker's status in Redis: what is being said in its calls is encrypted, the rest can be read by anyone."""

import json

from redis.asyncio import Redis
from support.encrypted_redis import KEY, OTHER_KEY, with_keys

from orchestrator import clock
from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.encryption.keys import key_list
from orchestrator.health.worker_status import read_status, status_text
from orchestrator.health.workers import list_workers
from orchestrator.redis import keys

STATUS = {"running": 1, "turns": [{"call_sid": "CA1", "said": "a secret"}], "keys": ["abcd"]}
CIPHER = Cipher(key_list(KEY))


def test_without_keys_it_is_the_status_as_json() -> None:
    assert json.loads(status_text(NO_CIPHER, "w1", STATUS)) == STATUS
    assert read_status(NO_CIPHER, "w1", json.dumps(STATUS)) == STATUS


def test_with_keys_only_who_has_them_learns_what_is_said() -> None:
    stored = status_text(CIPHER, "w1", STATUS)
    assert b"secret" not in stored
    assert read_status(CIPHER, "w1", stored) == STATUS
    rest = {"running": 1, "keys": ["abcd"]}
    for cipher in (NO_CIPHER, Cipher(key_list(OTHER_KEY))):
        assert read_status(cipher, "w1", stored) == rest
    assert read_status(CIPHER, "w2", stored) == rest, "it is another worker's"


def test_while_nobody_watches_there_is_nothing_to_encrypt() -> None:
    assert json.loads(status_text(CIPHER, "w1", {"running": 1})) == {"running": 1}


async def test_the_list_of_workers_has_what_is_said(redis_client: Redis) -> None:
    client = with_keys(redis_client)
    await client.zadd(keys.WORKERS, {"w1": clock.now()})
    await client.expire(keys.WORKERS, 60)
    await client.set(keys.worker_status("w1"), status_text(CIPHER, "w1", STATUS), ex=60)
    (worker,) = await list_workers(client)
    assert worker["turns"] == STATUS["turns"]
    assert "sealed" not in worker
