"""An erased call is nowhere in Redis any more, whatever was kept of it and wherever the erasure was cut short."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY
from support.redis_contents import empty, keys_that_name

from orchestrator import clock
from orchestrator.conversation.actions import HangUp, SetTimer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallErased, StoreUnavailable, UnknownCall
from orchestrator.events.call_events import CallEvents
from orchestrator.events.event import EVENT_TYPES
from orchestrator.events.outbox import Settlement
from orchestrator.idempotency.redis import RedisIdempotencyStore
from orchestrator.idempotency.store import ERASED_ANSWER, IdempotencyRecord
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.relay_documents.redis import RedisRelayDocuments
from orchestrator.routes.admission import Admission
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_events import settle_all
from orchestrator.testing.turn_store_contract import a_turn, claimed
from orchestrator.transfers.redis import RedisTransferAnswers
from orchestrator.turns.outcome import committed_state
from orchestrator.turns.redis.store import RedisTurnStore

pytestmark = pytest.mark.processes

SID = "CA0123456789"
SECRET = "my number is four seven one one"
PHONE = {"channel": "gather", "from_number": "+15550004711", "tenant": "north"}
SINKS = ("file", "hook")
EVENTS = CallEvents(frozenset(EVENT_TYPES), SINKS, "echo", "v1")
ERASED = EVENTS.erased(SID, None)
DEAD = Settlement("dead", "It said no.", failures=1)


@pytest.fixture(params=["", KEY], ids=["plain", "with keys"])
async def client(request, each_redis_url):
    async with connect(Settings(redis_url=each_redis_url, state_encryption_keys=request.param or None)) as client:
        yield client


@pytest.fixture(params=["states here", "states elsewhere"])
def store(request, client) -> RedisTurnStore:
    states = InMemoryStateManager(3600) if request.param == "states elsewhere" else None
    return RedisTurnStore(
        client, ttl_seconds=3600, lease_seconds=60, states=states, listener="here", secret=b"of all", events=EVENTS,
        sinks=SINKS,
    )  # fmt: skip


async def committed(store: RedisTurnStore, text: str, *actions) -> None:
    claim = await claimed(store, SID)
    record = TurnRecord.of(claim.turn, "replied", Reply(text=text, actions=list(actions)), epoch=claim.lease.epoch)
    result = await store.commit(claim, committed_state(claim.state, None, record), record, keep=False)
    assert result.status == "committed"


async def fill(store: RedisTurnStore, client: Redis) -> None:
    """Leave something of the call in every place that can have something of it."""
    await store.submit(a_turn("t1", SID, text=SECRET), opening=PHONE, admission=Admission("north", 5))
    await committed(store, SECRET, SetTimer("later", 60, {"what": SECRET}))
    await store.submit(a_turn("t2", SID, text=SECRET))
    claim = await claimed(store, SID)
    await store.dead_letter(claim, SECRET)
    await store.submit(a_turn("t3", SID, text=SECRET))
    delivery = await store.outbox.claim(SID, "anna")
    await store.outbox.settle(delivery.lease, "hook", delivery.queues[1].entries[0].position, DEAD)
    orders = RedisIdempotencyStore(client)
    assert await orders.claim("k1", "fingerprint") is None
    await orders.complete("k1", IdempotencyRecord("fingerprint", json.dumps([SID, "queued"])))
    documents = RedisRelayDocuments(client, store.connection.guarded)
    await documents.enter(SID, await documents.next(SID), "here")
    await documents.close()
    answers = RedisTransferAnswers(client, store.connection.guarded)
    await answers.note(SID, "t1", 0, "CAleg")
    await answers.close()
    for key in (keys.call(SID).inbox, keys.outbox(SID)):
        await client.set(keys.aside(key), SECRET, ex=60)


async def erase_all(store: RedisTurnStore, client: Redis) -> bool:
    await store.erasure.begin(SID)
    found = await store.erasure.erase(SID, ERASED, is_known=False, is_phone=True)
    if store.states is not None:
        await store.states.delete_state(SID)
    await RedisIdempotencyStore(client).erase(SID)
    return found


async def deliver(store: RedisTurnStore) -> list[tuple[str, dict]]:
    """Deliver what is due, as a worker does."""
    delivery = await store.outbox.claim(SID, "bert")
    assert delivery is not None
    told = [(queue.sink, entry.event.model_dump()) for queue in delivery.queues for entry in queue.entries]
    await settle_all(store.outbox, delivery)
    await store.outbox.release(delivery.lease)
    return told


async def test_nothing_names_an_erased_call_once_its_sinks_were_told(store, client) -> None:
    await fill(store, client)
    assert await erase_all(store, client)
    left = await keys_that_name(client, SID, SECRET, "4711")
    shard = keys.shard_of(store.call_queue.shards, SID)
    assert left == sorted([keys.outbox(SID), shard.agenda]), "only what tells that it was erased"
    told = await deliver(store)
    assert [(sink, event["type"]) for sink, event in told] == [("file", "call.erased"), ("hook", "call.erased")]
    data = told[0][1]["data"]
    assert set(data) == {"call_sid", "seq", "agent", "tenant", "worker_version"}
    assert await keys_that_name(client, SID, SECRET, "4711") == []


async def test_who_delivered_when_it_was_erased_settles_nothing(store, client) -> None:
    await fill(store, client)
    lease = (await store.outbox.claim(SID, "anna")).lease
    await erase_all(store, client)
    assert not await store.outbox.settle(lease, "file", 1, Settlement("delivered"))
    assert await store.outbox.renew([lease]) == [lease]
    await store.outbox.release(lease)
    assert [event["type"] for _, event in await deliver(store)] == ["call.erased"] * 2
    assert await keys_that_name(client, SID) == []


async def test_who_ran_a_turn_when_it_was_erased_writes_nothing(store, client) -> None:
    await store.submit(a_turn("t1", SID), opening=PHONE)
    claim = await claimed(store, SID)
    await erase_all(store, client)
    record = TurnRecord.of(claim.turn, "replied", Reply(text=SECRET, actions=[HangUp()]), epoch=claim.lease.epoch)
    after = committed_state(claim.state, None, record)
    result = await store.commit(claim, after, record)
    assert result.status in ("lost", "gone")
    await store.release(claim)
    await store.retry_later(claim, 1)
    assert await store.renew([claim.lease]) == [claim.lease]
    with suppress(UnknownCall):
        await store.submit(Turn(turn_id="ended", call_sid=SID, kind="ended"))
    await deliver(store)
    assert await keys_that_name(client, SID, SECRET) == []


async def test_an_erasure_that_was_cut_short_anywhere_is_completed_by_the_next(store, client, monkeypatch) -> None:
    """Cut before each command that it sends, as a killed process is."""
    send = store.connection.command
    for step in range(100):
        await empty(client)
        await fill(store, client)
        left = iter(range(step))

        async def cut(*arguments, left=left):
            if next(left, None) is None:
                raise StoreUnavailable
            return await send(*arguments)

        with monkeypatch.context() as patched, suppress(StoreUnavailable):
            patched.setattr(store.connection, "command", cut)
            await erase_all(store, client)
            assert step > 5, "it was cut in many places"
            return
        await erase_all(store, client)
        await deliver(store)
        assert await keys_that_name(client, SID, SECRET) == [], f"cut before command {step}"
    raise AssertionError("it never came to its end")


async def test_a_repeated_order_learns_that_its_call_was_erased(store, client) -> None:
    await fill(store, client)
    await erase_all(store, client)
    record = await RedisIdempotencyStore(client).claim("k1", "fingerprint")
    assert record == IdempotencyRecord("fingerprint", ERASED_ANSWER)


async def test_webhooks_that_come_while_a_call_is_erased_leave_nothing(store, client) -> None:
    """Each begins the call anew if it can."""

    async def webhook(number: int) -> None:
        with suppress(CallErased):
            await store.submit(a_turn(f"turn-{number}", SID, "started", SECRET), opening=PHONE)

    for _ in range(5):
        await fill(store, client)
        await asyncio.gather(*(webhook(number) for number in range(20)), erase_all(store, client))
        await store.erasure.erase(SID, None, is_known=False, is_phone=True)
        with pytest.raises(CallErased):
            await store.submit(a_turn("turn-0", SID, "started", SECRET), opening=PHONE)
        await deliver(store)
        assert await keys_that_name(client, SID, SECRET) == []
        await empty(client)


async def test_a_webhook_that_was_let_in_just_before_its_call_was_erased_begins_nothing(
    store, client, monkeypatch
) -> None:
    await fill(store, client)
    limits = store.admissions.limits

    async def erased_meanwhile(*arguments):
        await erase_all(store, client)
        return await limits(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(store.admissions, "limits", erased_meanwhile)
        with pytest.raises(CallErased):
            await store.submit(a_turn("start", SID, "started", SECRET), opening=PHONE)
    await deliver(store)
    assert await keys_that_name(client, SID, SECRET) == []
    if store.states is not None:
        assert await store.states.get_state(SID) is None


async def test_what_began_before_a_call_was_erased_is_told_from_what_begins_after_it(store, client) -> None:
    before = ConversationState(call_sid=SID)
    assert not await store.erasure.is_of_erased(before)
    await erase_all(store, client)
    assert await store.erasure.is_of_erased(before)
    later = before.model_copy(update={"created_at": clock.utc_now() + timedelta(seconds=1)})
    assert not await store.erasure.is_of_erased(later)


async def test_the_sid_of_a_text_conversation_may_be_used_again_at_once(store, client) -> None:
    await store.submit(a_turn("t1", SID, text=SECRET), opening={"channel": "api"})
    claim = await claimed(store, SID)
    await store.erasure.begin(SID)
    await store.erasure.erase(SID, ERASED, is_known=False, is_phone=False)
    if store.states is not None:
        await store.states.delete_state(SID)
    await store.submit(a_turn("t1", SID, text="hello"), opening={"channel": "api"})
    record = TurnRecord.of(claim.turn, "replied", Reply(text=SECRET), epoch=claim.lease.epoch)
    later = await claimed(store, SID)
    assert later.lease.epoch > claim.lease.epoch, "the same worker may have it"
    result = await store.commit(claim, committed_state(claim.state, None, record), record)
    assert result.status in ("lost", "conflict")
    kinds = [event["type"] for sink, event in await deliver(store) if sink == "file"]
    assert kinds == ["call.erased", "call.started"]
    assert await client.exists(keys.outbox(SID)), "the next life is open"
