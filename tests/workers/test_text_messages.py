"""Text messages of agents: posted at most once, each with one status, whatever dies between the mark and the event."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.cluster import ClusterTopology
from support.dispatchers import open_dispatcher
from support.processes import WorkerProcess
from support.told_events import ToldEvents
from support.waiting import wait_until

from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.events.call_events import CallEvents
from orchestrator.events.event import Event
from orchestrator.provider_api.client import ProviderApi
from orchestrator.provider_simulator.rest_api.api import RestApi, serve_rest_api
from orchestrator.provider_simulator.rest_api.faults import Fault, Operation
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.connections import connect
from orchestrator.redis.slots import slot_of_key
from orchestrator.schedule.carrier import Carrier
from orchestrator.settings import Settings
from orchestrator.testing.example_turns import a_turn
from orchestrator.text_messages.message_sender import MessageSender
from orchestrator.text_messages.retry_times import RetryTimes
from orchestrator.turns.redis.store import RedisTurnStore

pytestmark = pytest.mark.processes

FROM, TO = "+15551230000", "+15558675310"
AGENT = f'''
from orchestrator import HangUp, SendMessage

async def reply(turn, state):
    """`send WORDS` sends them; `hang up` does so."""
    for order in turn.text.split(", "):
        if order == "hang up":
            yield HangUp()
        elif order.startswith("send "):
            yield SendMessage("{TO}", order.removeprefix("send "))
    yield "Well."
'''
CONFIRMED = {"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "500"}


class Office:
    """Workers that answer with `AGENT`, an ingress that asks them, and whoever is told, on one Redis."""

    def __init__(self, directory: Path, url: str, provider: RestApi, stack: AsyncExitStack) -> None:
        (directory / "texting_agent.py").write_text(AGENT)
        self._directory, self._stack = directory, stack
        self.url, self.provider = url, provider
        self.redis: Redis
        self.dispatcher: QueuedDispatcher

    async def open(self) -> "Office":
        self.told = await self._stack.enter_async_context(ToldEvents())
        self.redis = await self._stack.enter_async_context(connect(Settings(_env_file=None, redis_url=self.url)))
        self.dispatcher = await self._stack.enter_async_context(open_dispatcher(self.url, "one"))
        return self

    @property
    def settings(self) -> dict[str, str]:
        return {
            "TWILIO_API_BASE_URL": self.provider.url, "TWILIO_ACCOUNT_SID": self.provider.account_sid,
            "TWILIO_AUTH_TOKEN": "secret", "TWILIO_FROM_NUMBER": FROM, "EVENTS": "message.sent,call.ended",
            "STATE_TTL_SECONDS": "600", "AGENT": "texting_agent:reply", **self.told.settings,
        }  # fmt: skip

    async def start_worker(self, **more: str) -> WorkerProcess:
        worker = WorkerProcess(
            self._directory, redis_url=self.url, agents=self._directory, **{**self.settings, **more}
        )  # fmt: skip
        self._stack.push(worker.__exit__)
        await asyncio.to_thread(worker.start)
        return worker

    async def say(self, text: str, turn_id: str = "t1", call_sid: str = "CA1") -> None:
        turn = a_turn(turn_id, call_sid=call_sid, text=text)
        pending = await submit_by(self.dispatcher, turn, opening={"channel": "api"}, deadline_seconds=60)
        result = await pending.wait(60)
        assert result is not None
        assert result.outcome == "replied"

    @property
    def messages(self) -> list[Event]:
        """The events of messages that were told."""
        return [event for event in self.told.events if event.type == "message.sent"]

    async def statuses(self, count: int = 1) -> list[str]:
        """The statuses of all messages, once so many are told."""
        await wait_until(lambda: len(self.messages) >= count, f"{count} messages have a status", timeout=120)
        return [event.data["status"] for event in self.messages]

    async def is_posting(self) -> None:
        """Return once the provider has got a request to send a message."""
        await wait_until(lambda: "create_message" in self.provider.requested, "a message is posted", timeout=60)

    async def is_idle(self) -> None:
        """Return once nothing is scheduled any more."""
        indexes = [shard.schedules for shard in (keys.SINGLE_SHARD, *keys.SHARDS)]

        async def nothing_left() -> bool:
            return sum([await self.redis.exists(index) for index in indexes]) == 0

        await wait_until(nothing_left, "nothing is scheduled any more", timeout=120)

    @property
    def bodies(self) -> list[str]:
        """The texts that the provider has."""
        return [message.body for message in self.provider.messages.sent]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def provider() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi()) as served:
        yield served


@pytest.fixture
async def office(tmp_path: Path, each_redis_url: str, provider: RestApi, stack: AsyncExitStack) -> Office:
    return await Office(tmp_path, each_redis_url, provider, stack).open()


async def test_a_message_of_the_last_turn_is_sent_after_the_call_has_ended(office: Office) -> None:
    await office.start_worker()
    await office.say("send See you on Tuesday., hang up")
    assert await office.statuses() == ["sent"]
    await office.is_idle()
    assert office.bodies == ["See you on Tuesday."]
    (event,) = office.messages
    assert event.data["turn_id"] == "t1"
    assert event.data["message_sid"] == office.provider.messages.sent[0].sid
    assert sorted(event.seq for event in office.told.of("CA1")) == [1, 2]


async def test_a_worker_that_is_killed_after_the_post_is_followed_by_one_that_asks(office: Office) -> None:
    answer = asyncio.Event()
    office.provider.fail("create_message", Fault.held(answer))
    killed = await office.start_worker()
    await office.say("send See you., hang up")
    await office.is_posting()
    await asyncio.to_thread(killed.kill)
    answer.set()
    await office.start_worker()
    assert await office.statuses() == ["sent"]
    await office.is_idle()
    assert office.bodies == ["See you."]
    assert office.provider.requested.count("create_message") == 1


async def test_a_worker_that_is_killed_before_the_provider_has_the_message_leaves_it_unknown(office: Office) -> None:
    """The next one asks for a minute; here for less."""
    never = Fault(is_lost=True, carries_out=False, gate=asyncio.Event())
    office.provider.fail("create_message", never)
    killed = await office.start_worker()
    await office.say("send See you., hang up")
    await office.is_posting()
    await asyncio.to_thread(killed.kill)

    settings = Settings(_env_file=None, **{name.lower(): value for name, value in office.settings.items()})
    store = RedisTurnStore(office.redis, ttl_seconds=600, shards=shards_of(office.redis), sinks=("webhook",))
    times = RetryTimes(ask_after=(0.1, 0.5))
    with ProviderApi(settings) as api:
        sender = MessageSender(store.schedule, settings, api, CallEvents.of(settings), times=times)
        carrier = Carrier(store.schedule, {"message": sender}, "another")

        async def is_settled() -> bool:
            await carrier.look("CA1")
            return not [name for name in await office.redis.hkeys(keys.schedule("CA1")) if name.startswith(b"i:")]

        await wait_until(is_settled, "the message has a status", timeout=60)
        await carrier.close(0)
    await office.start_worker()
    assert await office.statuses() == ["unknown"]
    assert office.bodies == []
    assert office.provider.requested.count("create_message") == 1


async def test_a_worker_that_drains_settles_what_it_posts(office: Office) -> None:
    answer = asyncio.Event()
    office.provider.fail("create_message", Fault.held(answer))
    leaving = await office.start_worker()
    await office.say("send See you., hang up")
    await office.is_posting()
    leaving.terminate()
    answer.set()
    await office.start_worker()
    assert await office.statuses() == ["sent"]
    assert office.bodies == ["See you."]


async def test_redis_may_restart_while_a_message_is_posted(
    tmp_path: Path, start_redis, provider: RestApi, stack: AsyncExitStack
) -> None:
    server = start_redis("--appendonly", "yes", "--appendfsync", "always")
    office = await Office(tmp_path, server.url, provider, stack).open()
    answer = asyncio.Event()
    provider.fail("create_message", Fault.held(answer))
    await office.start_worker()
    await office.say("send See you., hang up")
    await office.is_posting()
    await asyncio.to_thread(server.kill)
    answer.set()
    await asyncio.to_thread(server.start)
    assert await office.statuses() == ["sent"]
    await office.is_idle()
    assert office.bodies == ["See you."]
    assert len(office.messages) == 1


async def test_a_failover_while_a_message_is_posted_posts_it_no_second_time(
    tmp_path: Path, provider: RestApi, stack: AsyncExitStack
) -> None:
    cluster = stack.enter_context(ClusterTopology(replicas=1))
    office = await Office(tmp_path, cluster.url, provider, stack).open()
    answer = asyncio.Event()
    provider.fail("create_message", Fault.held(answer))
    await office.start_worker(**CONFIRMED)
    await office.say("send See you., hang up")
    await office.is_posting()
    owner = cluster.owner_of_key(keys.schedule("CA1"))
    await asyncio.to_thread(owner.kill)
    await asyncio.to_thread(cluster.wait_for_new_owner, slot_of_key(keys.schedule("CA1")), owner)
    answer.set()
    await asyncio.to_thread(owner.start)  # as a replica: events are delivered once one has them
    assert await office.statuses() == ["sent"]
    await office.is_idle()
    assert office.bodies == ["See you."]
    assert provider.requested.count("create_message") == 1


async def test_workers_die_and_answers_are_lost_and_no_message_is_doubled_or_forgotten(
    tmp_path: Path, each_redis_url: str, stack: AsyncExitStack
) -> None:
    faults = itertools.cycle([
        None, Fault.answer_lost(), Fault.refused(429), Fault.slow(0.3), Fault.failed_after(500), Fault.refused(503),
    ])  # fmt: skip

    def source(operation: Operation) -> Fault | None:
        return next(faults) if operation == "create_message" else None

    provider = await stack.enter_async_context(serve_rest_api(RestApi(fault_source=source)))
    office = await Office(tmp_path, each_redis_url, provider, stack).open()
    workers = [await office.start_worker() for _ in range(2)]
    for number in range(1, 9):
        await office.say(f"send first of {number}, send second of {number}, hang up", call_sid=f"CA{number}")
        if number % 3 == 0:
            await asyncio.to_thread(workers.pop(0).kill)
            workers.append(await office.start_worker())
    await office.statuses(16)
    await office.is_idle()
    posted = Counter(office.bodies)
    assert set(posted.values()) == {1}, "no message is posted twice"
    told = {event.data["message_sid"]: event.data["status"] for event in office.messages}
    assert len(office.messages) == 16
    assert set(told.values()) <= {"sent", "unknown"}
    assert set(told) - {""} <= {message.sid for message in provider.messages.sent}
    assert sorted(event.call_sid for event in office.messages) == sorted([f"CA{number}" for number in range(1, 9)] * 2)
