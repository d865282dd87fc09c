"""What a process does that cannot decrypt what it finds: it leaves turns whose key it lacks to others, and never takes
anything for what it is not."""

import json
import logging

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY, OTHER_KEY, unencrypted, with_keys

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.turn import Turn
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import OPENING, a_turn, claimed, commit
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Waiting

CALL = keys.call("CA1")


def a_client(url: str, encryption_keys: str):
    return with_keys(Redis.from_url(url, socket_timeout=30), encryption_keys)


def a_store(client: Redis) -> RedisTurnStore:
    return RedisTurnStore(client, ttl_seconds=100, lease_seconds=60, listener="here")


@pytest.fixture
async def store(redis_client):
    """The store of a process that has the key."""
    return a_store(with_keys(redis_client))


@pytest.fixture(params=["", OTHER_KEY], ids=["without keys", "with another key"])
async def keyless(request, redis_url):
    """The store of a process that lacks it."""
    client = a_client(redis_url, request.param)
    yield a_store(client)
    await client.aclose()


async def time_passes(client: Redis) -> None:
    """The pause of a turn that was put off is over."""
    await client.hset(CALL.lease, "until", 1)


async def test_a_turn_is_left_to_who_has_its_key(store, keyless, caplog) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    with caplog.at_level(logging.ERROR):
        for _ in range(8):  # more than any number of attempts
            assert await keyless.claim("CA1", "bert") is None
            assert await keyless.claim("CA1", "bert") is None, "it waits before it is granted again"
            await time_passes(store.redis)
    claim = await claimed(store)
    assert (claim.turn.text, claim.attempt) == ("hello", 1)
    assert await keyless.dead_letters() == []
    logged = [record for record in caplog.records if getattr(record, "action", "") == "seal.unreadable"]
    assert len(logged) == 1, "once, however often it is found"
    assert logged[0].key_id in logged[0].getMessage()


async def test_the_next_turn_of_a_commit_is_left_to_who_has_its_key(store, keyless) -> None:
    await keyless.submit(a_turn("t1"), opening=OPENING)
    claim = await claimed(keyless)
    await store.submit(a_turn("t2"))
    assert (await commit(keyless, claim)).next is None
    assert await store.waiting("CA1") == ["t2"]
    assert await keyless.dead_letters() == []


async def test_who_waits_for_a_result_without_its_key_goes_on_waiting(store, keyless) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    waiting = await keyless.find("CA1", "t1")
    assert isinstance(waiting, Waiting)
    assert waiting.turn is None
    await commit(store, await claimed(store))
    assert isinstance(await keyless.find("CA1", "t1"), Waiting)
    assert await keyless.submit(a_turn("t1"), opening=OPENING) is None
    found = await store.find("CA1", "t1")
    assert found.reply.text == "yes"


async def test_a_state_is_unreadable_and_stays(store, keyless) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    before = await store.redis.get(CALL.state)
    states = RedisStateManager(keyless.redis, 100)
    with pytest.raises(UnreadableSeal):
        await states.get_state("CA1")
    with pytest.raises(UnreadableSeal):
        await states.create_state("CA1")
    assert await store.redis.get(CALL.state) == before


async def test_after_a_failed_turn_its_letter_is_shown_without_words_and_can_be_erased(store, keyless) -> None:
    await store.submit(a_turn("t1", text="a secret"), opening=OPENING)
    await store.dead_letter(await claimed(store), "it ended its process")
    assert [letter.turn.text for letter in await store.dead_letters()] == ["a secret"]
    (letter,) = await keyless.dead_letters()
    assert (letter.key, letter.turn.call_sid, letter.turn.text) == ("CA1/t1", "CA1", "")
    await keyless.erase("CA1")
    assert await store.dead_letters() == []


async def test_what_was_changed_is_damaged_as_ever(store) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await store.submit(a_turn("t2"))
    entry = await store.redis.hget(CALL.turns, "t1")
    await store.redis.hset(CALL.turns, "t2", entry)  # of another place
    state = await store.redis.get(CALL.state)
    await store.redis.set(CALL.state, state.replace(b'"version":1', b'"version":7'), keepttl=True)
    claim = await claimed(store)
    assert claim.unreadable
    await store.release(claim)
    await store.redis.hset(CALL.turns, "t1", "P" + a_turn("t1").model_dump_json())  # plain, which nobody may write
    assert await store.claim("CA1", "anna") is None
    (letter,) = await store.dead_letters()
    assert letter.turn.kind == "unreadable"
    assert await unencrypted(store.redis) == []


async def test_with_plain_in_the_list_a_call_that_began_without_keys_goes_on(redis_url, redis_client) -> None:
    without = a_store(redis_client)
    await without.submit(a_turn("t1"), opening=OPENING)
    await commit(without, await claimed(without), keep=False)
    await without.submit(a_turn("t2"))
    client = a_client(redis_url, f"{KEY},plain")
    try:
        mixed = a_store(client)
        assert (await mixed.find("CA1", "t1")).reply.text == "yes"
        await mixed.submit(a_turn("t3"))
        claim = await claimed(mixed)
        claim = (await commit(mixed, claim)).next
        assert (claim.turn.turn_id, len(claim.state.turns)) == ("t3", 2)
        assert await unencrypted(client) == [f"{CALL.turns}/t1"]
    finally:
        await client.aclose()


async def test_an_interruption_is_found_behind_the_turn_that_it_is_about(store) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await store.submit(Turn(turn_id="t2", call_sid="CA1", kind="interrupted", text="So far", interrupts="t1"))
    claim = await claimed(store)
    assert (claim.interruption.turn_id, claim.interruption.text) == ("t2", "So far")


async def test_an_inbox_is_rebuilt_in_the_order_in_which_its_turns_were_received(store) -> None:
    for name in "dbca":
        await store.submit(a_turn(name), opening=OPENING)
    await store.redis.set(CALL.inbox, "of the wrong type", ex=100)
    claim = await claimed(store)
    seen = []
    while claim is not None:
        seen.append(claim.turn.turn_id)
        claim = (await commit(store, claim)).next
    assert seen == ["d", "b", "c", "a"]


async def test_the_scripts_find_the_version_and_the_end_of_a_call(store) -> None:
    await store.submit(a_turn("t1"), opening=OPENING)
    await commit(store, await claimed(store), hang_up=True)
    assert json.loads(await store.redis.get(CALL.state))["version"] == 2
    states = RedisStateManager(store.redis, 100)
    state = await states.get_state("CA1")
    assert isinstance(state.turns[0].reply.actions[0], HangUp)
    assert (await states.update_state(state)).version == 3
