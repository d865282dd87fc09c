"""What an update of the dashboard takes in a real Chromium, with few live calls and with very many."""

import asyncio
import json
import sys
from statistics import median
from typing import Any

import httpx

from benchmarks.bench import Bench
from benchmarks.deployment import API_KEY
from benchmarks.trees import REPOSITORY
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.state.redis.manager import RedisStateManager

TABLE = "dashboard"
FEW, MANY = 20, 2000
CHANGE_OF = 10
"""One call of so many changes each second: every caller says something every ten seconds."""
OPEN_SECONDS = 90
AGENTS = ("receptionist", "billing", "pharmacy")

# Each event of calls is timed from its arrival until the page has its new layout.
TIMED = """
  window.updates = [];
  const add = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (name, handle) {
    add.call(this, name, name !== "calls" ? handle : (event) => {
      const began = performance.now();
      handle(event);
      document.body.offsetHeight;
      window.updates.push(performance.now() - began);
    });
  };
"""


async def dashboard(bench: Bench) -> None:
    """An update of the dashboard's list of calls in Chromium: script and layout, with 20 and with 2,000 live calls."""
    sys.path.append(str(REPOSITORY / "tests"))  # it has the driver of the browser
    from support.browser import CHROMIUM, open_browser

    if CHROMIUM is None:
        bench.trouble("dashboard: Chromium is not installed")
        return
    middle = {}
    async with bench.product.web() as (_, url), open_browser() as browser:
        await browser.send("Page.addScriptToEvaluateOnNewDocument", source=TIMED)
        await browser.resize(1440, 900)
        await _enter(browser, url)
        for count in (FEW, MANY):
            first, later = await _updates(bench, browser, url, count)
            middle[count] = median(later)
            late = sorted(later)[int(0.95 * (len(later) - 1))]
            what = f"{count:,} live calls, {count // CHANGE_OF} change"
            bench.row(TABLE, what=what, p50_ms=middle[count], p95_ms=late, p99_ms=max(later))
            bench.row(TABLE, what=f"{count:,} live calls, the first events", p99_ms=max(first))
            if count == MANY:
                bench.figure("dashboard.update_p95_ms", late)
    bench.figure("dashboard.many_over_few", middle[MANY] / middle[FEW])


async def _enter(browser: Any, url: str) -> None:
    await browser.visit(f"{url}/dashboard")
    await browser.until("document.activeElement?.id === 'key'", "the page asks for the key")
    await browser.write(API_KEY)
    await browser.press("Enter")
    await browser.until("document.querySelector('.list') !== null", "the calls are shown")


async def _updates(bench: Bench, browser: Any, url: str, count: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of the events that brought all calls, and of those that brought changes."""
    async with bench.product.redis() as redis:
        await redis.flushall()
        states = RedisStateManager(redis)
        calls = [await states.create_state(f"call-{number}", **_fields(number)) for number in range(count)]
        await browser.visit("about:blank")
        await browser.visit(f"{url}/dashboard")
        async with asyncio.timeout(OPEN_SECONDS):
            await _until_listed(browser, url, count)
        first = await _taken(browser)
        for second in range(bench.choose(10, 30)):
            for place in range(second % CHANGE_OF, count, CHANGE_OF):
                calls[place] = await states.update_state(_with_a_turn(calls[place]))
            await asyncio.sleep(1)
        return first, await _taken(browser)


async def _until_listed(browser: Any, url: str, count: int) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        while (await client.get("/overview")).json()["active"] != count:
            await asyncio.sleep(0.2)
    sizes = "document.querySelector('.callrow')?.ariaSetSize"
    while await browser.eval(sizes) != str(count):
        await asyncio.sleep(0.2)


async def _taken(browser: Any) -> list[float]:
    taken = json.loads(await browser.eval("JSON.stringify(window.updates.splice(0))"))
    return [float(ms) for ms in taken]


def _fields(number: int) -> dict[str, Any]:
    return {"from_number": f"+1555{number:07}", "to_number": "+15551234567", "agent": AGENTS[number % len(AGENTS)]}


def _with_a_turn(state: ConversationState) -> ConversationState:
    turn = Turn(turn_id=f"t{len(state.turns)}", call_sid=state.call_sid, kind="speech", text="the second one, please")
    record = TurnRecord.of(turn, "replied", Reply(text="Very good. Let me read that back."))
    return state.model_copy(update={"turns": [*state.turns, record]})
