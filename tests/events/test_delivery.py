"""Delivering events: order, failures, leases, and sinks that must not hold up each other."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from support.passing_time import moving_clock
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.events.agenda_watch import watch_agenda, watch_pause
from orchestrator.events.call_delivery import DeliveryTimings
from orchestrator.events.delivery import Deliverer
from orchestrator.events.event import Event
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import NewEvent, StoppedSink, Unended
from orchestrator.events.sinks.sink import EventRefused, SinkGone, TryLater
from orchestrator.process_metrics import catalog
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.tasks import cancel_and_wait
from orchestrator.testing.example_events import an_event, announcement, head_of

BOTH = ("file", "hook")
QUICK = DeliveryTimings(attempt=300, settle=0.2, again=0.02, drain=0.1, release=1.0)

Behaviour = Callable[[Event], Awaitable[None]]


class FakeSink:
    """Keeps what it gets, unless its `behaviour` raises or hangs first."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour
        self.got: list[str] = []
        self.attempts = 0
        self.running = 0
        self.most_running = 0

    async def deliver(self, event: Event) -> None:
        self.attempts += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            if self.behaviour is not None:
                await self.behaviour(event)
            self.got.append(event.data["text"])
        finally:
            self.running -= 1

    async def close(self) -> None:
        """Nothing is open."""


class UnreliableOutbox(MemoryOutbox):
    """An outbox that does not answer on demand."""

    is_down = False

    async def settle(self, *arguments) -> bool:
        if self.is_down:
            raise StoreUnavailable("down")
        return await super().settle(*arguments)


class Ends:
    """Makes the end of a call."""

    def ended(self, unended: Unended) -> NewEvent:
        return an_event("gone" if unended.state is None else "bye", BOTH, kind="call.ended")


def raising(error: Exception) -> Behaviour:
    async def behave(event: Event) -> None:
        raise error

    return behave


async def hang(event: Event) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def pass_time():
    with moving_clock() as pass_time:
        yield pass_time


@pytest.fixture
def outbox(pass_time):
    return UnreliableOutbox(InMemoryStateManager(3600), BOTH)


@pytest.fixture
async def deliver(outbox):
    """Return a function that makes a deliverer of the given sinks."""
    made: list[Deliverer] = []

    async def make(holder: str = "anna", **options) -> Deliverer:
        sinks = {name: options.pop(name) for name in BOTH if name in options}
        options.setdefault("timings", QUICK)
        deliverer = Deliverer(outbox, sinks, Ends(), holder, **options)
        made.append(await deliverer.__aenter__())
        return deliverer

    yield make
    for deliverer in made:
        await deliverer.close()


async def announce(outbox: MemoryOutbox, *texts: str, call_sid: str = "CA1", sinks: tuple[str, ...] = BOTH) -> None:
    """Announce these events of a live call."""
    state = await outbox.states.create_state(call_sid)
    outbox.announce(announcement(head_of(state), *(_of(call_sid, an_event(text, sinks)) for text in texts)))


def _of(call_sid: str, new: NewEvent) -> NewEvent:
    data = {**new.event.data, "call_sid": call_sid}
    return NewEvent(new.event.model_copy(update={"data": data}), new.sinks)


def idle(deliverer: Deliverer, calls: int = 64) -> Callable[[], bool]:
    return lambda: deliverer.room == calls


async def look(deliverer: Deliverer, call_sid: str = "CA1") -> None:
    """Have the call looked at, and wait until that is done."""
    deliverer.look(call_sid)
    await wait_until(idle(deliverer), "all was delivered that can be")


# Order, and what is done with what.


async def test_each_sink_gets_all_events_in_order(outbox, deliver) -> None:
    await announce(outbox, "a", "b", "c")
    file, hook = FakeSink(), FakeSink()
    await look(await deliver(file=file, hook=hook))
    assert file.got == hook.got == ["a", "b", "c"]
    assert file.most_running == 1, "one at a time"
    assert await outbox.undelivered("CA1") == []


async def test_a_delivery_that_a_commit_got_begins_at_once(outbox, deliver) -> None:
    await announce(outbox, "a", "b")
    file = FakeSink()
    deliverer = await deliver(file=file)
    deliverer.start(await outbox.claim("CA1", "anna"))
    await wait_until(idle(deliverer), "it was delivered")
    assert file.got == ["a", "b"]
    assert (await outbox.claim("CA1", "bert")).lease.epoch == 2, "the lease was given back"


async def test_what_is_announced_meanwhile_is_delivered_under_the_same_lease(outbox, deliver) -> None:
    await announce(outbox, "a")

    async def announce_more(event: Event) -> None:
        if event.data["text"] == "a":
            await announce(outbox, "b", sinks=("file",))

    file = FakeSink(announce_more)
    await look(await deliver(file=file, hook=FakeSink()))
    assert file.got == ["a", "b"]


async def test_one_sink_that_hangs_does_not_hold_up_the_other_sink_of_its_call(outbox, deliver, gate) -> None:
    await announce(outbox, "a", "b")

    async def wait(event: Event) -> None:
        await gate.wait()

    file, hook = FakeSink(), FakeSink(wait)
    deliverer = await deliver(file=file, hook=hook)
    deliverer.look("CA1")
    await wait_until(lambda: file.got == ["a", "b"], "the file has what was there")
    await announce(outbox, "c")
    await wait_until(lambda: file.got == ["a", "b", "c"], "the file has what came while the webhook hangs")
    assert (hook.got, hook.running) == ([], 1)
    gate.set()
    await wait_until(lambda: hook.got == ["a", "b", "c"], "the webhook has it all, in order")


@pytest.fixture
def gate():
    return asyncio.Event()


# Failures.


async def test_a_failed_event_stops_its_sink_until_its_time_has_come(outbox, deliver, pass_time) -> None:
    await announce(outbox, "a", "b")
    file, hook = FakeSink(), FakeSink(raising(TryLater("Not now.")))
    deliverer = await deliver(file=file, hook=hook)
    before = clock.now()
    await look(deliverer)
    assert (file.got, hook.attempts) == (["a", "b"], 1)
    first, second = await outbox.undelivered("CA1")
    assert (first.failures, first.error, second.failures) == (1, "Not now.", 0)
    assert before + 10 <= first.next_at <= clock.now() + 12
    await look(deliverer)
    assert hook.attempts == 1, "it is left alone meanwhile"
    hook.behaviour = None
    pass_time(13)
    await look(deliverer)
    assert hook.got == ["a", "b"]


async def test_failures_are_counted_until_the_event_is_dead(outbox, deliver, pass_time, caplog) -> None:
    await announce(outbox, "a", "b")
    hook = FakeSink(raising(TryLater("Not now.")))
    deliverer = await deliver(hook=hook, file=FakeSink())
    counts = []
    while (first := (await outbox.undelivered("CA1"))[0]).dead_at is None:
        counts.append(first.failures)
        pass_time(10 * 3600)
        await look(deliverer)
    assert counts[1:] == list(range(1, len(counts)))
    assert len(counts) == 9, "after three days"
    assert [record.action for record in caplog.records if record.levelno >= logging.WARNING] == [
        "event.delivery_failed", "event.dead"
    ]  # fmt: skip


async def test_an_event_that_is_refused_is_dead_and_the_next_goes_on(outbox, deliver, caplog) -> None:
    await announce(outbox, "a", "b", "c")

    async def refuse_b(event: Event) -> None:
        if event.data["text"] == "b":
            raise EventRefused("It is nonsense.")

    hook = FakeSink(refuse_b)
    await look(await deliver(file=FakeSink(), hook=hook))
    assert hook.got == ["a", "c"]
    (dead,) = await outbox.undelivered("CA1")
    assert (dead.entry.event.data["text"], dead.failures, dead.error) == ("b", 1, "It is nonsense.")
    assert dead.dead_at is not None
    (logged,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert (logged.action, logged.sink, logged.call_sid) == ("event.dead", "hook", "CA1")


async def test_what_a_sink_raises_is_kept_without_its_words(outbox, deliver, caplog) -> None:
    await announce(outbox, "secret words")
    hook = FakeSink(raising(ValueError("cannot store: secret words")))
    await look(await deliver(hook=hook))
    found = next(left for left in await outbox.undelivered("CA1") if left.sink == "hook")
    assert found.error == "It raised ValueError."
    assert "secret" not in caplog.text


async def test_a_sink_that_hangs_is_cancelled_and_counts_as_failed(outbox, deliver) -> None:
    await announce(outbox, "a", sinks=("hook",))
    hook = FakeSink(hang)
    await look(await deliver(hook=hook, timings=DeliveryTimings(attempt=0.02)))
    assert (hook.attempts, hook.running) == (1, 0)
    assert (await outbox.undelivered("CA1"))[0].failures == 1


async def test_a_sink_that_ignores_its_cancellation_holds_nothing_up(outbox, deliver, gate) -> None:
    await announce(outbox, "a", sinks=("hook",))

    async def ignore(event: Event) -> None:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    await look(await deliver(hook=FakeSink(ignore), timings=DeliveryTimings(attempt=0.02)))
    assert (await outbox.undelivered("CA1"))[0].failures == 1
    gate.set()


async def test_a_sink_is_left_alone_for_as_long_as_it_asks(outbox, deliver, pass_time) -> None:
    for call_sid in ("CA1", "CA2"):
        await announce(outbox, "a", call_sid=call_sid, sinks=("hook",))
    hook = FakeSink(raising(TryLater("Too many.", 120)))
    deliverer = await deliver(hook=hook)
    before = clock.now()
    await look(deliverer, "CA1")
    await look(deliverer, "CA2")
    assert hook.attempts == 1
    for call_sid, failures in (("CA1", 1), ("CA2", 0)):
        (left,) = await outbox.undelivered(call_sid)
        assert left.next_at > before + 118
        assert left.failures == failures, "a call whose event was put off has made no attempt"
    hook.behaviour = None
    pass_time(126)
    await look(deliverer, "CA2")
    assert hook.got == ["a"]


async def test_a_streak_of_failures_is_logged_once(outbox, deliver, caplog) -> None:
    hook = FakeSink(raising(TryLater("Not now.")))
    deliverer = await deliver(hook=hook)
    for number in range(8):
        await announce(outbox, "a", call_sid=f"CA{number}", sinks=("hook",))
        await look(deliverer, f"CA{number}")
    failed = [record for record in caplog.records if record.action == "event.delivery_failed"]
    assert [(record.sink, record.levelno) for record in failed] == [("hook", logging.WARNING)]


async def test_attempts_are_counted_by_sink_and_result(outbox, deliver) -> None:
    before = {result: _count("hook", result) for result in ("delivered", "failed", "dead")}
    await announce(outbox, "a", "b", "c", sinks=("hook",))

    async def behave(event: Event) -> None:
        if event.data["text"] == "b":
            raise EventRefused("It is nonsense.")
        if event.data["text"] == "c":
            raise TryLater("Not now.")

    await look(await deliver(hook=FakeSink(behave)))
    assert {result: _count("hook", result) - before[result] for result in before} == {
        "delivered": 1, "dead": 1, "failed": 1
    }  # fmt: skip


def _count(sink: str, result: str) -> float:
    counts = catalog.EVENT_DELIVERIES.counts()
    return next((number for key, number in counts.items() if key.labels == (sink, result)), 0.0)


# Sinks that are gone.


async def test_a_sink_that_is_gone_gets_nothing_until_it_is_resumed(outbox, deliver, caplog) -> None:
    await announce(outbox, "a", "b")
    file, hook = FakeSink(), FakeSink(raising(SinkGone("410.")))
    deliverer = await deliver(file=file, hook=hook, fingerprints={"hook": "here"})
    await look(deliverer)
    assert (file.got, hook.attempts) == (["a", "b"], 1)
    assert [(left.sink, left.dead_at is not None) for left in await outbox.undelivered("CA1")] == [("hook", True)] * 2
    (stopped,) = await outbox.stopped_sinks()
    assert (stopped.sink, stopped.fingerprint, stopped.reason) == ("hook", "here", "410.")
    assert [record.action for record in caplog.records if record.levelno == logging.ERROR] == [
        "event.sink_stopped", "event.dead"
    ], "what is given up because the sink is stopped is no news"  # fmt: skip
    hook.behaviour = None
    await outbox.resume_sink("hook")
    for left in await outbox.undelivered("CA1"):
        await outbox.replay("CA1", left.entry.position, "hook")
    await look(deliverer)
    assert hook.got == ["a", "b"]


async def test_a_sink_that_another_process_stopped_gets_nothing_here(outbox, deliver) -> None:
    await announce(outbox, "a")
    await outbox.stop_sink(StoppedSink("hook", "there", "410.", clock.now()))
    hook = FakeSink()
    await look(await deliver(hook=hook, fingerprints={"hook": "there"}))
    assert hook.attempts == 0
    assert next(left.dead_at for left in await outbox.undelivered("CA1") if left.sink == "hook") is not None


async def test_a_sink_that_was_stopped_at_another_address_goes_on(outbox, deliver) -> None:
    await announce(outbox, "a")
    await outbox.stop_sink(StoppedSink("hook", "an old address", "410.", clock.now()))
    hook = FakeSink()
    await look(await deliver(hook=hook, fingerprints={"hook": "a new address"}))
    assert hook.got == ["a"]


# Leases.


async def test_two_deliverers_deliver_each_event_once_and_in_order(outbox, deliver) -> None:
    calls = [f"CA{number}" for number in range(20)]
    file = FakeSink()
    anna, bert = await deliver("anna", file=file), await deliver("bert", file=file)
    for call_sid in calls:
        await announce(outbox, *(f"{call_sid}/{number}" for number in range(5)), call_sid=call_sid, sinks=("file",))
        anna.look(call_sid)
        bert.look(call_sid)
    await wait_until(lambda: idle(anna)() and idle(bert)(), "all was delivered")
    for call_sid in calls:
        told = [text for text in file.got if text.startswith(f"{call_sid}/")]
        assert told == [f"{call_sid}/{number}" for number in range(5)]


async def test_leases_are_renewed_while_a_sink_takes_its_time(pass_time, gate) -> None:
    outbox = MemoryOutbox(InMemoryStateManager(), BOTH, lease_seconds=1)
    await announce(outbox, "a")

    async def wait(event: Event) -> None:
        await gate.wait()

    async with Deliverer(outbox, {"file": FakeSink(wait)}, Ends(), "anna", timings=QUICK) as deliverer:
        deliverer.look("CA1")
        began = clock.now()
        await wait_until(lambda: clock.now() > began + 3, "the lease would have run out three times")
        assert await outbox.claim("CA1", "bert") is None
        gate.set()


async def test_a_delivery_whose_lease_is_lost_is_stopped(pass_time) -> None:
    outbox = MemoryOutbox(InMemoryStateManager(), BOTH, lease_seconds=2)
    await announce(outbox, "a", "b", sinks=("file",))
    file = FakeSink(hang)
    async with Deliverer(outbox, {"file": file}, Ends(), "anna", timings=QUICK) as deliverer:
        deliverer.look("CA1")
        await wait_until(lambda: file.running == 1, "the attempt runs")
        pass_time(2.5)
        theirs = await outbox.claim("CA1", "bert")
        assert theirs is not None
        await wait_until(lambda: file.running == 0, "the attempt was cancelled")
        await wait_until(idle(deliverer), "its place is free")
        assert await outbox.renew([theirs.lease]) == [], "the lease of the other was not touched"


async def test_what_could_not_be_settled_is_delivered_again(outbox, deliver, pass_time) -> None:
    await announce(outbox, "a", sinks=("file",))
    file = FakeSink()
    deliverer = await deliver(file=file)
    outbox.is_down = True
    await look(deliverer)
    outbox.is_down = False
    assert file.got == ["a"]
    assert await outbox.claim("CA1", "bert") is None, "until its lease runs out, nobody knows what became of it"
    pass_time(outbox.lease_seconds + 1)
    assert await outbox.due() == ["CA1"]
    await look(deliverer)
    assert file.got == ["a", "a"]


async def test_a_short_outage_while_settling_repeats_nothing(outbox, deliver) -> None:
    await announce(outbox, "a", sinks=("file",))
    file = FakeSink()
    deliverer = await deliver(file=file, timings=DeliveryTimings(settle=30))
    outbox.is_down = True
    deliverer.look("CA1")
    await wait_until(lambda: file.got == ["a"], "it was delivered")
    outbox.is_down = False
    await wait_until(idle(deliverer), "it was settled")
    assert await outbox.undelivered("CA1") == []
    assert file.attempts == 1


# The end of a process.


async def test_a_process_that_ends_finishes_its_attempts_and_begins_no_more(outbox, gate) -> None:
    await announce(outbox, "a", "b", sinks=("file",))

    async def wait(event: Event) -> None:
        await gate.wait()

    file = FakeSink(wait)
    deliverer = await Deliverer(outbox, {"file": file}, Ends(), "anna", timings=DeliveryTimings(drain=30)).__aenter__()
    deliverer.look("CA1")
    await wait_until(lambda: file.running == 1, "the attempt runs")
    closing = asyncio.create_task(deliverer.close())
    await wait_until(lambda: not deliverer.has_room, "it begins to end")
    gate.set()
    await closing
    assert file.got == ["a"]
    left = await outbox.claim("CA1", "bert")
    assert [entry.event.data["text"] for entry in left.queues[0].entries] == ["b"]


async def test_an_attempt_that_hangs_at_the_end_is_cancelled_and_its_lease_given_back(outbox) -> None:
    await announce(outbox, "a", sinks=("file",))
    file = FakeSink(hang)
    async with Deliverer(outbox, {"file": file}, Ends(), "anna", timings=QUICK) as deliverer:
        deliverer.look("CA1")
        await wait_until(lambda: file.running == 1, "the attempt runs")
    assert file.running == 0
    assert await outbox.claim("CA1", "bert") is not None


# Many calls, and sinks that hang.


@pytest.fixture
async def watching(outbox):
    """Return a function that watches the agenda for a deliverer."""
    tasks: list[asyncio.Task[None]] = []
    yield lambda deliverer: tasks.append(asyncio.create_task(watch_agenda(outbox, deliverer)))
    await cancel_and_wait(*tasks)


async def test_a_sink_that_hangs_on_every_call_does_not_hold_up_the_other_sink(outbox, deliver, watching) -> None:
    file, hook = FakeSink(), FakeSink(hang)
    for number in range(500):
        await announce(outbox, str(number), call_sid=f"CA{number}")
    deliverer = await deliver(file=file, hook=hook, timings=DeliveryTimings(attempt=3600, drain=0))
    watching(deliverer)
    await wait_until(lambda: len(file.got) == 500, "the file has the events of all calls")
    assert hook.most_running == hook.attempts == 20, "as many as may hang at once, and no more"
    assert deliverer.has_room


async def test_a_sink_gets_no_more_at_once_than_it_says(outbox, deliver, watching) -> None:
    file = FakeSink()
    file.most_at_once = 3
    for number in range(50):
        await announce(outbox, str(number), call_sid=f"CA{number}", sinks=("file",))
    watching(await deliver(file=file))
    await wait_until(lambda: len(file.got) == 50, "the file has the events of all calls")
    assert file.most_running == 3


async def test_a_sink_that_takes_nothing_is_asked_by_few_calls(outbox, deliver, watching) -> None:
    file, hook = FakeSink(), FakeSink(raising(TryLater("Not now.")))
    for number in range(200):
        await announce(outbox, str(number), call_sid=f"CA{number}")
    watching(await deliver(file=file, hook=hook))
    await wait_until(lambda: len(file.got) == 200, "the file has the events of all calls")
    assert hook.attempts < 100


async def test_a_sink_that_works_again_gets_what_was_put_off(outbox, deliver, watching, pass_time) -> None:
    file, hook = FakeSink(), FakeSink(raising(TryLater("Not now.")))
    for number in range(50):
        await announce(outbox, str(number), call_sid=f"CA{number}")
    watching(await deliver(file=file, hook=hook))
    await wait_until(lambda: len(file.got) == 50, "the file has the events of all calls")
    hook.behaviour = None
    await wait_until(lambda: pass_time(1) or len(hook.got) == 50, "the webhook has the events of all calls")


async def test_more_calls_than_there_is_room_for_are_delivered_one_after_the_other(outbox, deliver, watching) -> None:
    file = FakeSink()
    for number in range(30):
        await announce(outbox, str(number), call_sid=f"CA{number}", sinks=("file",))
    deliverer = await deliver(file=file, most_calls=3)
    for number in range(30):
        deliverer.look(f"CA{number}")
    assert (deliverer.room, deliverer.has_room) == (0, False)
    watching(deliverer)
    await wait_until(lambda: len(file.got) == 30, "all were delivered")
    assert file.most_running <= 3


# The ends of calls.


async def test_a_call_whose_state_is_gone_gets_its_end(outbox, deliver) -> None:
    await announce(outbox, "a")
    file = FakeSink()
    deliverer = await deliver(file=file, hook=FakeSink())
    await look(deliverer)
    await outbox.states.delete_state("CA1")
    await look(deliverer)
    assert file.got == ["a", "gone"]
    assert await outbox.calls() == ([], "")


async def test_the_watch_finds_a_call_whose_state_has_expired(outbox, deliver, watching, pass_time) -> None:
    await announce(outbox, "a")
    file = FakeSink()
    watching(await deliver(file=file, hook=FakeSink()))
    await wait_until(lambda: file.got == ["a"], "it was delivered")
    await outbox.states.delete_state("CA1")
    pass_time(61)
    await wait_until(lambda: file.got == ["a", "gone"], "its end was written and delivered")


def test_the_watch_waits_until_the_first_call_is_due() -> None:
    assert watch_pause(None) >= 1
    assert watch_pause(clock.now() + 1000) >= 1
    began = clock.now()
    pause = watch_pause(began + 0.5)
    assert 0.5 - (clock.now() - began) < pause < 0.8
    assert 0 < watch_pause(clock.now() - 1000) < 0.3
