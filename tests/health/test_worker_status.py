"""A worker's status in Redis: what is being said in its calls is encrypted, the rest can be read by anyone."""

import json

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY, OTHER_KEY, with_keys

from orchestrator import clock
from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.encryption.keys import key_list
from orchestrator.errors import EncryptionKeyMissing
from orchestrator.health.report import SystemStatus, report
from orchestrator.health.worker_status import read_status, status_text
from orchestrator.health.workers import list_workers, missing_keys
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of

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


async def test_health_names_the_keys_that_a_process_lacks(redis_client: Redis) -> None:
    client = with_keys(redis_client)
    assert await missing_keys(client) == ()
    await client.zadd(keys.WORKERS, {"w1": clock.now(), "w2": clock.now() - 30})
    await client.expire(keys.WORKERS, 60)
    for worker, missed in (("w1", "abcd"), ("w2", "of one that is gone")):
        await client.set(keys.worker_status(worker), json.dumps({"missing_keys": [missed]}), ex=60)
    with pytest.raises(EncryptionKeyMissing):
        cipher_of(client).open("place", Cipher(key_list(OTHER_KEY)).seal("place", b"{}"))
    missed = await missing_keys(client)
    assert missed == tuple(sorted(["abcd", key_list(OTHER_KEY).all[0].id.hex()]))
    status = SystemStatus(redis_ok=True, redis_message="", workers=1, missing_keys=missed)
    assert report(status).status == "degraded"
    assert report(status).is_ready
    assert "abcd" in report(status).checks["encryption"]["message"]
    assert "encryption" not in report(SystemStatus(redis_ok=True, redis_message="", workers=1)).checks
