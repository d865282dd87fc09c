"""Messages are posted at most once, and each gets one status, whatever the provider and the processes do."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from support.waiting import wait_until

from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState
from orchestrator.event_types import EVENT_TYPES
from orchestrator.events.call_events import CallEvents
from orchestrator.events.event import Event
from orchestrator.events.outbox import Unended
from orchestrator.events.redis.listing import undelivered_in
from orchestrator.provider_api.client import ProviderApi
from orchestrator.provider_simulator.rest_api.api import RestApi, serve_rest_api
from orchestrator.provider_simulator.rest_api.faults import Fault
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.replicas import ReplicaWait
from orchestrator.schedule.carrier import Carrier
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.item import MessageItem
from orchestrator.settings import Settings, load_settings
from orchestrator.tasks import cancel_and_wait
from orchestrator.text_messages.message_sender import MessageSender
from orchestrator.text_messages.retry_times import RetryTimes
from orchestrator.turns.redis.store import RedisTurnStore

SID, FROM, TO = "CA1", "+15551230000", "+15558675310"
LIFE = "2026-11-27T01:00:00.000001+00:00"
pytestmark = pytest.mark.processes  # a cluster
QUICK = RetryTimes(first_retry=0.02, longest_retry=0.05, ask_after=(0.02, 0.05, 0.1, 0.3), ask_for=0.5, give_up=30)
"""Each message is asked for at least once."""
PATIENT = RetryTimes(first_retry=0.02, longest_retry=0.05, ask_after=(0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60))


def a_message(text: str = "See you.", number: int = 1, *, to: str = TO, age: float = 0.0) -> MessageItem:
    return MessageItem(
        item_id=f"message-{number}", call_sid=SID, life=LIFE, asked_by=f"turn-{number}",
        due_at=utc_now() + timedelta(microseconds=number) - timedelta(seconds=age), to=to, text=text,
        agent="reception", tenant="north", worker_version="v1",
    )  # fmt: skip


class Deployment:
    """A store and the provider, and as many processes that send as a test wants."""

    def __init__(self, redis: Redis, provider: RestApi, **options: Any) -> None:
        self.redis, self.provider = redis, provider
        self.store = RedisTurnStore(redis, ttl_seconds=3600, shards=shards_of(redis), sinks=("file",), **options)
        self.events = CallEvents(frozenset(EVENT_TYPES), ("file",), agent="a", worker_version="v")

    def settings(self, **changes: Any) -> Settings:
        given = {
            "twilio_account_sid": self.provider.account_sid, "twilio_auth_token": "secret",
            "twilio_api_base_url": self.provider.url, "twilio_from_number": FROM,
        }  # fmt: skip
        return load_settings(**{**given, **changes})

    async def schedule(self, *items: MessageItem) -> None:
        await self.store.schedule.write(SID, ScheduleChanges(items))

    @asynccontextmanager
    async def sending(self, holder: str = "anna", *, times: RetryTimes = QUICK, **changes: Any) -> AsyncIterator[None]:
        """A process that sends; it looks at the call all the time."""
        settings = self.settings(**changes)
        with ProviderApi(settings) as api:
            sender = MessageSender(self.store.schedule, settings, api, self.events, times=times)
            carrier = Carrier(self.store.schedule, {"message": sender}, holder)
            is_over = asyncio.Event()
            looking = asyncio.create_task(self._look(carrier, is_over))
            try:
                yield
            finally:
                is_over.set()
                await cancel_and_wait(looking)
                await carrier.close(0)

    async def _look(self, carrier: Carrier, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            await carrier.look(SID)
            await asyncio.sleep(0.01)

    async def events_told(self) -> list[Event]:
        found = await self.redis.hgetall(keys.outbox(SID))
        return [left.entry.event for left in undelivered_in(SID, found)]

    async def statuses(self, count: int = 1) -> list[tuple[str, str]]:
        """The turn and the status of each message, once `count` are told; in the order of the turns."""

        async def told() -> bool:
            return len(await self.events_told()) >= count

        await wait_until(told, f"{count} messages have a status", 30)
        events = await self.events_told()
        assert all(event.type == "message.sent" for event in events)
        return sorted((event.data["turn_id"], event.data["status"]) for event in events)

    async def lose_leases(self) -> None:
        """As if whoever has items had died some seconds ago."""
        for name, value in (await self.redis.hgetall(keys.schedule(SID))).items():
            if name.startswith(b"l:"):
                holder, _, rest = value.decode().split(" ", 2)
                await self.redis.hset(keys.schedule(SID), name, f"{holder} 1 {rest}")

    @property
    def bodies(self) -> list[str]:
        return [message.body for message in self.provider.messages.sent]


@pytest.fixture
async def provider() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi()) as served:
        yield served


@pytest.fixture
def deployment(each_redis_client: Redis, provider: RestApi) -> Deployment:
    return Deployment(each_redis_client, provider)


async def test_a_message_is_sent_and_told(deployment: Deployment) -> None:
    item = a_message()
    await deployment.schedule(item)
    async with deployment.sending():
        assert await deployment.statuses() == [("turn-1", "sent")]
    (sent,) = deployment.provider.messages.sent
    assert (sent.from_number, sent.to, sent.body) == (FROM, TO, "See you.")
    (event,) = await deployment.events_told()
    assert event.data == {
        "call_sid": SID, "seq": 1, "agent": "reception", "tenant": "north", "worker_version": "v1",
        "started_at": LIFE.replace("+00:00", "Z"), "turn_id": "turn-1", "to": TO, "message_sid": sent.sid,
        "status": "sent",
    }  # fmt: skip
    assert deployment.provider.requested.count("create_message") == 1


async def test_messages_of_a_call_are_sent_in_their_order(deployment: Deployment) -> None:
    texts = [f"part {number}" for number in range(1, 9)]
    await deployment.schedule(*(a_message(text, number) for number, text in enumerate(texts, 1)))
    async with deployment.sending():
        await deployment.statuses(8)
    assert deployment.bodies == texts


async def test_over_whatsapp_the_sender_is_an_address_of_whatsapp(deployment: Deployment) -> None:
    await deployment.schedule(a_message(to=f"whatsapp:{TO}"))
    async with deployment.sending():
        assert await deployment.statuses() == [("turn-1", "sent")]
    assert deployment.provider.messages.sent[0].from_number == f"whatsapp:{FROM}"


@pytest.mark.parametrize("fault", [Fault.answer_lost(), Fault.failed_after(500), Fault.failed_after(502)])
async def test_a_message_whose_answer_was_lost_is_found_and_not_posted_again(
    deployment: Deployment, fault: Fault
) -> None:
    deployment.provider.messages.listing_lag = 2
    deployment.provider.fail("create_message", fault)
    await deployment.schedule(a_message())
    async with deployment.sending(times=PATIENT):
        assert await deployment.statuses() == [("turn-1", "sent")]
    (event,) = await deployment.events_told()
    assert event.data["message_sid"] == deployment.provider.messages.sent[0].sid
    assert deployment.provider.requested.count("create_message") == 1
    assert deployment.provider.requested.count("list_messages") >= 3


async def test_a_message_that_the_provider_never_got_is_unknown_after_a_while(deployment: Deployment) -> None:
    deployment.provider.fail("create_message", Fault.request_lost())
    await deployment.schedule(a_message())
    async with deployment.sending():
        assert await deployment.statuses() == [("turn-1", "unknown")]
    assert deployment.bodies == []
    assert deployment.provider.requested.count("create_message") == 1
    assert deployment.provider.requested[-1] == "list_messages"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_message_that_was_surely_not_taken_is_posted_again(deployment: Deployment, status: int) -> None:
    deployment.provider.fail("create_message", Fault.refused(status), Fault.refused(status))
    await deployment.schedule(a_message())
    async with deployment.sending():
        assert await deployment.statuses() == [("turn-1", "sent")]
    assert deployment.bodies == ["See you."]
    assert deployment.provider.requested.count("create_message") == 3


async def test_a_provider_that_takes_nothing_for_long_makes_a_message_fail(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    deployment.provider.fail("create_message", *[Fault.refused(429)] * 100)
    await deployment.schedule(a_message())
    async with deployment.sending(times=RetryTimes(first_retry=0.02, longest_retry=0.02, give_up=0.3)):
        assert await deployment.statuses() == [("turn-1", "failed")]
    assert deployment.provider.requested.count("create_message") >= 1
    assert deployment.bodies == []


async def test_a_refused_message_fails_with_the_providers_code_and_without_its_words(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    await deployment.schedule(a_message(to=FROM))
    async with deployment.sending():
        assert await deployment.statuses() == [("turn-1", "failed")]
    (warning,) = [one for one in caplog.records if getattr(one, "action", "") == "message.failed"]
    assert (warning.levelno, warning.code, warning.turn_id) == (logging.WARNING, 21266, "turn-1")  # type: ignore[attr-defined]
    assert FROM not in caplog.text
    assert "See you" not in caplog.text


@pytest.mark.parametrize(
    "changes",
    [{"twilio_from_number": None}, {"twilio_account_sid": None, "environment": "production"}, {"dial_allow": "+46"}],
)
async def test_a_deployment_that_cannot_send_says_so_at_once(
    deployment: Deployment, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    await deployment.schedule(a_message())
    async with deployment.sending(**changes):
        assert await deployment.statuses() == [("turn-1", "failed")]
    assert deployment.provider.requested == []
    assert [one.action for one in caplog.records if one.levelno == logging.WARNING] == ["message.failed"]  # type: ignore[attr-defined]


async def test_equal_messages_of_one_call_are_told_from_each_other(deployment: Deployment) -> None:
    deployment.provider.fail("create_message", Fault.answer_lost(), Fault.answer_lost(), Fault.request_lost())
    await deployment.schedule(a_message(number=1), a_message(number=2), a_message(number=3))
    async with deployment.sending():
        told = await deployment.statuses(3)
    assert sorted(status for _, status in told) == ["sent", "sent", "unknown"]
    sids = {event.data["message_sid"] for event in await deployment.events_told()}
    assert sids == {"", *(message.sid for message in deployment.provider.messages.sent)}


async def test_an_equal_message_that_is_known_is_not_taken_for_the_lost_one(deployment: Deployment) -> None:
    deployment.provider.fail("create_message", Fault(), Fault.request_lost())
    await deployment.schedule(a_message(number=1), a_message(number=2))
    async with deployment.sending():
        assert await deployment.statuses(2) == [("turn-1", "sent"), ("turn-2", "unknown")]


async def test_a_process_that_dies_in_a_post_is_followed_by_one_that_only_asks(deployment: Deployment) -> None:
    answer = asyncio.Event()
    deployment.provider.fail("create_message", Fault.held(answer))
    await deployment.schedule(a_message())

    async def is_posted() -> bool:
        return bool(deployment.bodies)

    async with deployment.sending("anna"):
        await wait_until(is_posted, "the message is posted")
        await deployment.lose_leases()
        async with deployment.sending("ben"):
            assert await deployment.statuses() == [("turn-1", "sent")]
        answer.set()
    assert deployment.bodies == ["See you."]
    assert len(await deployment.events_told()) == 1


async def test_a_process_that_dies_before_the_post_leaves_a_mark(deployment: Deployment) -> None:
    await deployment.schedule(a_message())
    (run,) = await deployment.store.schedule.claim(SID, "anna", {"message": 1})
    assert await deployment.store.schedule.mark_posting(run)
    await deployment.lose_leases()
    async with deployment.sending("ben"):
        assert await deployment.statuses() == [("turn-1", "unknown")]
    assert "create_message" not in deployment.provider.requested


async def test_a_process_that_dies_before_the_mark_is_followed_by_one_that_asks_first(deployment: Deployment) -> None:
    """A failover may have taken the mark back."""
    with ProviderApi(deployment.settings()) as api:
        await api.send_message(FROM, TO, "posted, and the mark is lost")
    await deployment.schedule(a_message("posted, and the mark is lost", 1), a_message("not posted", 2))
    await deployment.store.schedule.claim(SID, "anna", {"message": 2})
    await deployment.lose_leases()
    async with deployment.sending("ben"):
        assert await deployment.statuses(2) == [("turn-1", "sent"), ("turn-2", "sent")]
    assert deployment.bodies == ["posted, and the mark is lost", "not posted"]


async def test_an_old_message_is_asked_for_before_it_is_posted(deployment: Deployment) -> None:
    with ProviderApi(deployment.settings()) as api:
        await api.send_message(FROM, TO, "See you.")
    await deployment.schedule(a_message(age=20))
    deployment.provider.fail("list_messages", Fault.answer_lost(), Fault.refused(429))
    async with deployment.sending():
        assert await deployment.statuses() == [("turn-1", "sent")]
    assert deployment.bodies == ["See you."]


async def test_a_mark_that_no_replica_confirms_is_taken_back_and_nothing_is_posted(
    redis_client: Redis, provider: RestApi
) -> None:
    lonely = Deployment(redis_client, provider, wait=ReplicaWait(1, 20))
    await Deployment(redis_client, provider).schedule(a_message())
    # The next try is seconds away: nothing is marked at the moment in which this process ends.
    async with lonely.sending("anna", times=RetryTimes(first_retry=4)):

        async def is_taken_back() -> bool:
            fields = await redis_client.hgetall(keys.schedule(SID))
            failed = any(int(value.split()[3]) > 0 for name, value in fields.items() if name.startswith(b"l:"))
            return failed and not any(name.startswith(b"p:") for name in fields)

        await wait_until(is_taken_back, "the mark was not confirmed, and is taken back", 30)
    assert provider.requested.count("create_message") == 0
    deployment = Deployment(redis_client, provider)
    async with deployment.sending("ben"):
        assert await deployment.statuses() == [("turn-1", "sent")]
    assert deployment.bodies == ["See you."]


async def test_two_processes_post_each_message_once(deployment: Deployment) -> None:
    await deployment.schedule(*(a_message(f"part {number}", number) for number in range(1, 21)))
    async with deployment.sending("anna"), deployment.sending("ben"):
        told = await deployment.statuses(20)
    assert [status for _, status in told] == ["sent"] * 20
    assert sorted(deployment.bodies) == sorted(f"part {number}" for number in range(1, 21))


async def test_a_process_that_is_cut_off_from_redis_tells_nothing_twice(deployment: Deployment) -> None:
    """Its lease runs out while it posts: another finds the message, and what it settles then is void."""
    answer = asyncio.Event()
    deployment.provider.fail("create_message", Fault.held(answer))
    await deployment.schedule(a_message())
    settings = deployment.settings()
    with ProviderApi(settings) as api:
        sender = MessageSender(deployment.store.schedule, settings, api, deployment.events, times=QUICK)
        (run,) = await deployment.store.schedule.claim(SID, "anna", {"message": 1})
        posting = asyncio.create_task(sender.carry_out(run))

        async def is_posted() -> bool:
            return bool(deployment.bodies)

        await wait_until(is_posted, "the message is posted")
        await deployment.lose_leases()
        async with deployment.sending("ben"):
            await deployment.statuses()
        answer.set()
        await posting
    assert len(await deployment.events_told()) == 1
    assert deployment.bodies == ["See you."]


async def test_without_sinks_a_message_is_sent_all_the_same(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deployment.events = CallEvents(frozenset(EVENT_TYPES), (), agent="a", worker_version="v")
    await deployment.schedule(a_message())

    async def is_logged() -> bool:
        return "message.sent" in [getattr(one, "action", "") for one in caplog.records]

    async with deployment.sending():
        await wait_until(is_logged, "the log has the status")
    assert await deployment.events_told() == []


def seqs(events: Sequence[Event], life: str) -> list[int]:
    return [event.seq for event in events if event.data["started_at"] == life]


async def test_an_event_of_an_earlier_life_has_the_next_number_of_that_life(deployment: Deployment) -> None:
    """The call is over, its SID has another life, and then what became of the message is known."""
    first = ConversationState(call_sid=SID)
    later = ConversationState(call_sid=SID, created_at=first.created_at + timedelta(seconds=9))
    accepted = [deployment.events.accepted(state) for state in (first, later)]
    assert accepted[0] is not None
    assert accepted[1] is not None
    outbox = deployment.store.outbox
    await outbox.accept(accepted[0])
    for number in (1, 2):
        item = a_message(f"part {number}", number).model_copy(update={"life": first.created_at.isoformat()})
        await deployment.schedule(item)
    unended = Unended(accepted[0].head, None)
    assert await outbox.end(unended, deployment.events.ended(unended))
    await outbox.accept(accepted[1])
    async with deployment.sending():

        async def both_told() -> bool:
            return [event.type for event in await deployment.events_told()].count("message.sent") == 2

        await wait_until(both_told, "both messages have a status")
    events = await deployment.events_told()
    assert seqs(events, accepted[0].head.life) == [1, 2, 3, 4]
    assert seqs(events, accepted[1].head.life) == [1]
