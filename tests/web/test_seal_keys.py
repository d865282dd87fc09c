"""Every ingress opens what another one sealed: with SEAL_KEY, or with a key made once and shared through Redis."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis
from support.ingress import settings_with
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.conversation.turn import Turn
from orchestrator.encryption.envelope import is_sealed
from orchestrator.encryption.keys import new_key
from orchestrator.errors import BadSetting, StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.connections import connect
from orchestrator.redis.errors import store_errors
from orchestrator.seal_keys.redis import RedisSealKeys
from orchestrator.settings import load_settings
from web.seal import Seal
from web.seal_keys import MOST_BYTES
from web.shared_seal import RENEW_SECONDS, UPGRADE_SECONDS, SharedSeal
from web.twilio.held_turn import HeldTurn, read_held_turn

KEY = "0123456789abcdef0123456789abcdef"
TURN = HeldTurn(turn=Turn(turn_id="turn-1", call_sid="CA1", kind="speech", text="my words"), since=0)
Start = Callable[..., AbstractAsyncContextManager[tuple[Seal, SharedSeal]]]


@pytest.fixture(autouse=True)
def held_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the turn since now: one that is minutes old is not read, and a run of all tests takes longer."""
    monkeypatch.setitem(globals(), "TURN", TURN.model_copy(update={"since": time.time()}))


@pytest.fixture
def server() -> RedisServer:
    with RedisServer() as started:
        yield started


@pytest.fixture
def ingress(server: RedisServer) -> Start:
    """Starts the seal of one ingress over a real Redis."""

    @asynccontextmanager
    async def start(renew_seconds: float = RENEW_SECONDS, **settings: object) -> AsyncIterator[tuple[Seal, SharedSeal]]:
        made = settings_with(use_redis=True, redis_url=server.url, seal_key=settings.pop("seal_key", None), **settings)
        async with AsyncExitStack() as stack:
            redis: Redis = connect(made)
            stack.push_async_callback(redis.aclose)

            async def ping() -> None:
                with store_errors():
                    await redis.execute_command("PING")

            breaker = await stack.enter_async_context(Breaker(ping))
            seal = Seal.of(made)
            shared = SharedSeal(
                made,
                seal,
                RedisSealKeys(redis, breaker.guard),
                renew_seconds=renew_seconds,
                learn_every_seconds=0.0,
            )
            yield seal, await stack.enter_async_context(shared.sharing())

    return start


@pytest.mark.processes
async def test_production_without_any_key_of_its_own_seals_for_all_its_ingresses(ingress, server):
    production = {"environment": "production", "twilio_auth_token": None, "telnyx_public_key": None}
    async with ingress(**production) as (one, _), ingress(**production) as (other, _):
        assert read_held_turn(other, TURN.sealed(one)) == TURN
        assert read_held_turn(one, TURN.sealed(other)) == TURN
    async with ingress(**production) as (later, _):
        assert later.keys.current == one.keys.current
    with server.client() as client:
        (key,) = client.keys("*seal*")
        assert client.ttl(key) > 24 * 3600


async def test_no_two_deployments_have_the_same_key_and_none_is_made_from_a_secret():
    settings = {"api_key": "sesame", "redis_url": "redis://localhost:6379/0", "seal_key": None}
    one, other = Seal.of(settings_with(**settings)), Seal.of(settings_with(**settings))
    assert read_held_turn(other, TURN.sealed(one)) is None
    for secret in ("12345", "sesame", "redis://localhost:6379/0", "unsigned webhooks from this machine"):
        assert read_held_turn(Seal(secret), TURN.sealed(one)) is None


@pytest.mark.processes
async def test_the_shared_key_lies_in_redis_encrypted(ingress, server):
    first, other = new_key(), new_key()
    async with (
        ingress(state_encryption_keys=first) as (one, sharing),
        ingress(state_encryption_keys=first) as (two, _),
        ingress(state_encryption_keys=other) as (stranger, _),
    ):
        assert read_held_turn(two, TURN.sealed(one)) == TURN
        one.keys.adopt(one.keys.current, ["another key that was used"])
        await sharing.learn()
        with pytest.raises(StoreUnavailable, match="cannot be decrypted"):
            await stranger.knows(TURN.sealed(one))
        with server.client() as client:
            stored = client.hgetall(keys.SEAL_KEYS)
    others = {field for field in stored if field.startswith("other:")}
    assert set(stored) == {"since", "current", "current-hash", *others}
    assert f"other:{stored['current-hash']}" not in others, "the current one is not kept twice"
    assert all(is_sealed(stored[field].encode()) for field in {"current", *others})


@pytest.mark.processes
async def test_seal_key_needs_no_redis_and_leaves_no_key_in_it(ingress, server):
    async with ingress(seal_key=KEY) as (one, _):
        with server.client() as client:
            assert set(client.hkeys(keys.SEAL_KEYS)) == {"since"}
        server.kill()
        async with ingress(seal_key=KEY) as (other, _):
            assert read_held_turn(other, TURN.sealed(one)) == TURN
            assert await other.knows(TURN.sealed(one))
            assert not await other.knows("x")


@pytest.mark.processes
async def test_what_was_sealed_while_redis_was_away_is_opened_by_all_once_it_is_back(ingress, server):
    async with ingress(renew_seconds=0.2) as (before, _):
        server.kill()
        async with ingress(renew_seconds=0.2) as (started, shared):
            theirs, own = TURN.sealed(before), TURN.sealed(started)
            with pytest.raises(StoreUnavailable):
                await started.knows(theirs)
            assert read_held_turn(started, own) == TURN
            server.start()
            await wait_until(lambda: read_held_turn(started, theirs) == TURN, "the key of the others is known")
            await wait_until(lambda: started.keys.current == before.keys.current, "they seal with the same key")

            async def knows_its_own() -> bool:
                try:
                    return await before.knows(own)
                except StoreUnavailable:  # it has not noticed yet that Redis is back
                    return False

            await wait_until(knows_its_own, "the others open what it has sealed meanwhile")
            assert shared.is_upgrading


@pytest.mark.processes
async def test_a_redis_that_forgets_is_told_again(ingress, server):
    async with ingress() as (one, shared):
        with server.client() as client:
            client.flushall()
        await shared.learn()
        async with ingress() as (other, _):
            assert read_held_turn(other, TURN.sealed(one)) == TURN


@pytest.mark.processes
async def test_strangers_cannot_make_the_list_of_keys_grow(ingress, server):
    for _ in range(30):
        async with ingress() as (_, shared):
            pass
    async with ingress() as (seal, shared):
        for number in range(40):
            seal.keys.adopt(seal.keys.current, [f"other-{number}"])
        await shared.learn()
        with server.client() as client:
            assert client.hlen(keys.SEAL_KEYS) <= 20
        assert len(seal.keys.used) <= 24


@pytest.mark.processes
async def test_during_the_upgrade_from_the_version_before_its_seals_are_opened_and_then_no_more(ingress, server):
    before = Seal("the token")
    settings = {"twilio_auth_token": "the token"}
    async with ingress(**settings) as (seal, shared):
        assert shared.is_upgrading
        assert read_held_turn(seal, TURN.sealed(before)) == TURN
        assert read_held_turn(before, TURN.sealed(seal)) is None
    with server.client() as client:
        since = int(client.hget(keys.SEAL_KEYS, "since"))
        client.hset(keys.SEAL_KEYS, "since", since - int(UPGRADE_SECONDS * 1000))
    async with ingress(**settings) as (seal, shared):
        assert not shared.is_upgrading
        assert read_held_turn(seal, TURN.sealed(before)) is None


@pytest.mark.parametrize("key", ["short", "x" * 31, "  " + "x" * 31 + "  "])
def test_a_short_seal_key_stops_the_process(key):
    with pytest.raises(BadSetting, match="SEAL_KEY") as told:
        load_settings(seal_key=key, _env_file=None)
    assert key.strip() not in str(told.value)


def test_what_unpacks_to_too_much_is_not_opened():
    seal = Seal(KEY)
    assert seal.unwrap(seal.wrap(b"0" * (MOST_BYTES * 50))) is None
