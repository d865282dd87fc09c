"""The operations: what runs and is left to do, and each action by the keyboard alone, with its effect."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis
from support.browser import Browser
from support.ingress import Ingress, StartIngress
from support.keyboard import choose, confirm, confirmed
from support.reported_workers import report_process, report_worker
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.api_keys.key import new_key
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import StoppedSink
from orchestrator.processes.redis.presence import RedisPresence
from orchestrator.redis import keys
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.probe import probe
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import DEAD, an_event, announcement, head_of
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letters import RedisDeadLetters

pytestmark = pytest.mark.processes

AT = datetime(2026, 11, 27, 8, tzinfo=UTC)
SINKS = ("file", "hook")
PARTS = ("processes", "versions", "dead", "events")


@pytest.fixture
async def outbox(ingress: Ingress) -> MemoryOutbox:
    """CA1 has an event that is dead for the hook and pending for the file, CA2 one that is pending for the hook."""
    states = InMemoryStateManager(100)
    outbox = MemoryOutbox(states, SINKS)
    for call_sid, sinks in (("CA1", SINKS), ("CA2", ("hook",))):
        new = an_event("a", sinks)
        new.event.data["call_sid"] = call_sid
        outbox.announce(announcement(head_of(await states.create_state(call_sid)), new))
    claimed = await outbox.claim("CA1", "anna")
    assert claimed is not None
    await outbox.settle(claimed.lease, "hook", 1, DEAD)
    await outbox.release(claimed.lease)
    ingress.runtime.outbox = outbox
    return outbox


@pytest.fixture
async def ingress(redis_client: Redis, start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    """An ingress that finds two workers, a lost one, and two dead letters in Redis."""
    for name, version, features in (("w1", "a", ["drain"]), ("w2", "b", ["drain"])):
        await report_worker(redis_client, name, version)
        await report_process(redis_client, name, version=version, pid=7, host="anna", slots=10, features=features)
    await report_process(redis_client, "w3", pid=9, host="anna", seen_at=clock.now() - 60)
    states = RedisStateManager(redis_client, 100)
    state = await states.create_state("CA1")
    for name in ("t1", "t2"):
        turn = Turn(turn_id=name, call_sid="CA1", kind="speech", text=f"words of {name}", received_at=AT)
        state.turns.append(TurnRecord.of(turn, "failed", Reply(text="Sorry")))
        letter = DeadLetter(turn=turn, attempts=4, reason="it crashed", dead_lettered_at=AT)
        await RedisDeadLetters(redis_client).put(letter)
    await states.update_state(state)
    async with (
        start_ingress(timeouts={"reply_grace": -29.9}, agent_timeout_seconds=30) as ingress,
        Breaker(lambda: probe(redis_client)) as breaker,
    ):
        ingress.runtime.redis, ingress.runtime.breaker = redis_client, breaker
        ingress.runtime.presence = RedisPresence(redis_client, breaker.guard, "i1")
        yield ingress


async def opened(browser: Browser, ingress: Ingress) -> None:
    """Open the operations, and wait until every part is filled."""
    await browser.visit(f"{ingress.url}/dashboard#/operations")
    await browser.until(f"document.querySelectorAll('.part').length === {len(PARTS)}", "all parts are there")
    for act in ("drain", "promote", "run", "replay"):
        await browser.until(f"document.querySelector('[data-act={act}]') !== null", f"what can be done: {act}")


async def told(browser: Browser, sentence: str) -> None:
    """Wait until the page tells that something was done."""
    await browser.until(f"document.getElementById('told')?.innerText.includes({sentence!r})", sentence)


def row(text: str) -> str:
    """The selector of the buttons of a row that says what it is about, by its labels."""
    return f"[aria-label*='{text}']"


async def test_a_worker_is_drained(ingress: Ingress, browser: Browser, redis_client: Redis, outbox: MemoryOutbox):
    await opened(browser, ingress)
    shown = await browser.text(".part")
    assert all(text in shown for text in ("Worker 7 on anna", "lost", "0 of 10 turns at hand")), shown
    assert await browser.eval("document.querySelectorAll('[data-act=drain]:not([hidden])').length") == 2
    await choose(browser, "[data-act=drain]")
    await confirm(browser)
    await told(browser, "The worker drains.")
    assert await redis_client.exists(keys.drain_order("w1"), keys.drain_order("w2")) == 1


async def test_the_plan_of_versions_is_changed_and_cleared(ingress: Ingress, browser: Browser, outbox: MemoryOutbox):
    rollouts = ingress.runtime.rollouts()
    assert rollouts is not None

    async def plan() -> tuple[str, str, float]:
        found = (await rollouts.overview()).plan
        return found.current, found.ramping, found.percent

    await opened(browser, ingress)
    await choose(browser, f"[data-act=promote]{row(': a')}")
    await confirmed(browser)
    await wait_until(lambda: _is(plan, ("a", "", 0)), "a is promoted")
    await choose(browser, f"[data-act=ramp]{row(': b')}")
    await confirmed(browser, "20")
    await wait_until(lambda: _is(plan, ("a", "b", 20)), "b is ramped")
    part = "[aria-labelledby=part-versions] .parthead"
    await choose(browser, f"{part} .hurts")
    await confirmed(browser)
    await wait_until(lambda: _is(plan, ("a", "", 0)), "b is rolled back")
    await choose(browser, f"{part} .quiet:not(.hurts)")
    await confirmed(browser)
    await wait_until(lambda: _is(plan, ("", "", 0)), "the plan is cleared")


async def _is(read, expected) -> bool:
    return await read() == expected


async def test_a_plan_that_somebody_else_has_changed_is_not_overwritten(
    ingress: Ingress, browser: Browser, outbox: MemoryOutbox
):
    await opened(browser, ingress)
    await choose(browser, f"[data-act=promote]{row(': a')}")
    await browser.until("document.querySelector('dialog[open]') !== null", "a dialog asks")
    await ingress.client.post("/rollout/promote", json={"version": "b"})
    await confirm(browser)
    await browser.until("document.querySelector('dialog .wrong').innerText !== ''", "the dialog says why not")
    assert (await ingress.client.get("/rollout")).json()["current"] == "b"
    await browser.press("Escape")
    current = "document.querySelector('[aria-labelledby=part-versions] li .name').innerText"
    await browser.until(f"{current} === 'b'", "and what is true is shown")


async def test_a_dead_letter_is_run_and_another_dropped(
    ingress: Ingress, browser: Browser, redis_client: Redis, outbox: MemoryOutbox
):
    await opened(browser, ingress)
    await choose(browser, f"[data-act=run]{row('words of t1')}")
    await confirm(browser)
    await browser.until("document.querySelector('dialog .wrong').innerText !== ''", "that it still runs is told")
    assert await redis_client.llen(keys.call("CA1").inbox) == 1
    await browser.press("Escape")
    await choose(browser, f"[data-act=drop]{row('words of t2')}")
    await confirm(browser)
    await told(browser, "It was dropped.")
    assert [it.turn.turn_id for it in await RedisDeadLetters(redis_client).all()] == ["t1"]


async def test_events_are_delivered_again_and_dropped(ingress: Ingress, browser: Browser, outbox: MemoryOutbox):
    async def listed() -> list[tuple[str, str, str]]:
        events = (await ingress.client.get("/events")).json()["events"]
        return sorted((it["call_sid"], it["sink"], it["state"]) for it in events)

    await opened(browser, ingress)
    await choose(browser, "[data-act=replay]")
    await confirm(browser)
    await told(browser, "It is delivered again.")
    assert await listed() == [("CA1", "file", "pending"), ("CA1", "hook", "pending"), ("CA2", "hook", "pending")]
    await choose(browser, f"[data-act=drop]{row('for file')}")
    await confirm(browser)
    await told(browser, "The event was dropped.")
    assert await listed() == [("CA1", "hook", "pending"), ("CA2", "hook", "pending")]


async def test_a_sink_is_tried_at_once_and_resumed(ingress: Ingress, browser: Browser, outbox: MemoryOutbox):
    await outbox.stop_sink(StoppedSink("hook", "", "It answered 410.", 1.0))
    await opened(browser, ingress)
    await choose(browser, f"[data-act=retry]{row(': hook')}")
    await confirm(browser)
    await told(browser, "tried at once")
    await choose(browser, f"[data-act=resume]{row(': hook')}")
    await confirm(browser)
    await told(browser, "It gets its events again.")
    assert await outbox.stopped_sinks() == []
    await choose(browser, f"[data-act=resume]{row(': hook')}")
    await confirm(browser)
    why = "document.querySelector('dialog .wrong').innerText.includes('No sink of this name is stopped.')"
    await browser.until(why, "what is refused is told")


async def test_a_key_that_may_only_look_has_no_buttons(start_ingress: StartIngress, browser: Browser):
    text, key = new_key("reader", ["read"])
    async with start_ingress(api_keys=key.entry) as ingress:
        await browser.visit(f"{ingress.url}/dashboard#/operations")
        await browser.until("document.activeElement?.id === 'key'", "the page asks for the key")
        await browser.write(text)
        await browser.press("Enter")
        await browser.until("document.querySelector('.part .row-of') !== null", "a process is shown")
        await browser.until("document.querySelector('.bar-of').innerText.includes('Your key may look')", "it is told")
        assert await browser.eval("document.querySelectorAll('main .tools button').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1360])
async def test_everybody_can_use_it(ingress: Ingress, browser: Browser, outbox: MemoryOutbox, width: int, scheme: str):
    await browser.resize(width, 844, phone=width < 500)
    await browser.prefer(scheme)
    await opened(browser, ingress)
    assert await browser.eval("document.documentElement.scrollWidth <= innerWidth")
    assert await browser.violations() == []
    await choose(browser, "[data-act=drain]")
    await browser.until("document.querySelector('dialog[open]') !== null", "a dialog asks")
    assert await browser.violations() == []
