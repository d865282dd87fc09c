"""The dashboard as a person sees it: a real browser, a real ingress, real calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.browser import CHROMIUM, Browser, open_browser
from support.ingress import CALL

from orchestrator import SendMessage, clock
from orchestrator.health.report import SystemStatus

pytestmark = [pytest.mark.processes, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
ROWS = "document.querySelectorAll('#calls li').length"
LINES = "document.querySelectorAll('#transcript .words').length"


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests: starting it takes longer than any test."""
    async with open_browser() as opened:
        yield opened


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    yield chromium
    await chromium.visit("about:blank")
    await chromium.prefer("light")
    await chromium.resize(1360, 850)
    chromium.complaints.clear()


def errors(browser: Browser) -> list[str]:
    """Return the errors in the console, without its advice and the HTTP errors that a test causes."""
    entries = [json.loads(text) for text in browser.complaints]
    return [str(e) for e in entries if e.get("entry", {}).get("source") not in ("recommendation", "network")]


async def test_a_transcript_grows_while_one_reads_it(ingress, browser):
    await browser.visit(ingress.url + "/dashboard")
    await browser.until("!document.getElementById('no-calls').hidden", "the page says that all is quiet")
    await ingress.begin()
    await browser.until(f"{ROWS} === 1", "the call is in the list")
    await browser.eval("document.querySelector('#calls button').focus()")
    await browser.press("Enter")
    await browser.until(f"{LINES} === 1", "the greeting is shown")
    await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
    await browser.until(f"{LINES} === 3", "the turn is shown")
    assert "You said good evening." in await browser.text("#transcript")
    await ingress.post("/twilio/status", CallStatus="completed")
    await browser.until("document.querySelectorAll('#ended li').length === 1", "the call has ended")
    await browser.until("document.getElementById('facts').innerText.includes('completed')", "and the transcript too")
    assert errors(browser) == []


async def test_what_a_caller_says_is_text_and_nothing_else(ingress, browser):
    ingress.fields["From"] = ATTACK
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult=ATTACK)
    await browser.visit(f"{ingress.url}/dashboard#call={CALL}")
    await browser.until(f"{LINES} === 3", "the transcript is shown")
    assert await browser.text("#call-title") == ATTACK
    assert ATTACK in await browser.text("#transcript")
    assert await browser.eval("document.querySelectorAll('main img, main script').length") == 0
    assert "taken" not in await browser.eval("document.title")
    assert errors(browser) == []


async def test_the_page_opens_with_the_key_alone(start_ingress, browser):
    async with start_ingress(api_key="schlüssel") as ingress:
        await browser.visit(ingress.url + "/dashboard")
        for key, sign in (("wrong", "That is not the key."), ("schlüssel", "")):
            await browser.until("document.activeElement?.id === 'key'", "the page asks for the key")
            await browser.write(key)
            await browser.press("Enter")
            if sign:
                await browser.until(f"document.getElementById('wrong').innerText === '{sign}'", "a wrong key is told")
        await browser.until("!document.getElementById('board').hidden", "the board is shown")
        assert await browser.eval("localStorage.length + document.cookie.length") == 0


async def test_old_figures_are_marked_as_old(start_ingress, browser):
    async with start_ingress() as ingress:
        await browser.visit(ingress.url + "/dashboard")
        await browser.until("!document.getElementById('board').hidden", "the board is shown")
    await browser.until("document.querySelector('#board.stale') !== null", "the page notices that nobody answers")
    assert "does not answer" in await browser.text("#banner")


@pytest.mark.parametrize("width", [320, 390, 768, 1360])
async def test_nothing_sticks_out_of_the_page(ingress, browser, width, tmp_path: Path):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="a" * 500)
    await browser.resize(width, 800, phone=width < 500)
    for place in ("", f"#call={CALL}"):
        await browser.visit("about:blank")
        await browser.visit(f"{ingress.url}/dashboard{place}")
        await browser.until(f"{LINES if place else ROWS} > 0", "the page is filled")
        assert await browser.eval("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1360])
async def test_axe_finds_nothing(ingress, browser, width, scheme):
    workers = [
        {"id": "w1", "seen_at": clock.now(), "running": 1},
        {"id": "w2", "seen_at": clock.now() - 10},
        {"id": "w3", "seen_at": clock.now() - 20, "lost": True},
    ]
    ingress.report(SystemStatus(True, "", workers=2, dead_letters=1), workers)
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
    await browser.resize(width, 844, phone=width < 500)
    await browser.prefer(scheme)
    for place in ("", f"#call={CALL}"):
        await browser.visit("about:blank")
        await browser.visit(f"{ingress.url}/dashboard{place}")
        await browser.until(f"{LINES if place else ROWS} > 0", "the page is filled")
        assert await browser.violations() == []


async def test_axe_finds_nothing_at_the_locked_door(start_ingress, browser):
    async with start_ingress(api_key="key") as ingress:
        await browser.visit(ingress.url + "/dashboard")
        await browser.until("document.activeElement?.id === 'key'", "the page asks for the key")
        assert await browser.violations() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_chosen_call_has_its_bar(ingress, browser, scheme):
    await ingress.begin()
    await browser.prefer(scheme)
    await browser.visit(f"{ingress.url}/dashboard#call={CALL}")
    await browser.until(f"{LINES} > 0", "the transcript is shown")
    shadow = await browser.eval("getComputedStyle(document.querySelector('#calls button')).boxShadow")
    assert "3px 0px 0px 0px inset" in shadow


@pytest.mark.parametrize(("width", "columns"), [(768, 1), (1360, 2)])
async def test_list_and_transcript_are_side_by_side_where_there_is_room(ingress, browser, width, columns):
    await ingress.begin()
    await browser.resize(width, 900)
    await browser.visit(f"{ingress.url}/dashboard#call={CALL}")
    await browser.until(f"{LINES} > 0", "the transcript is shown")
    seen = "['.side', '.call'].filter((part) => document.querySelector(part).offsetWidth > 0).length"
    assert await browser.eval(seen) == columns
    assert await browser.eval("document.querySelector('.call').offsetWidth") > 0.6 * min(width, 1000)


async def test_words_are_seen_while_the_agent_speaks(start_ingress, gate, browser):
    async def slow(turn, state):
        if turn.kind == "speech":
            yield "Let me see"
            await gate.wait()
            yield ", yes."
        else:
            yield "Hello."

    async with start_ingress(agent=slow) as ingress:
        await ingress.begin()
        await browser.visit(f"{ingress.url}/dashboard#call={CALL}")
        asking = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="good evening"))
        await browser.until(f"{LINES} === 3", "the turn is shown while it is answered")
        await browser.until("document.querySelector('.now .words')?.innerText === 'Let me see'", "and what was said")
        gate.set()
        await asking
        whole = "document.getElementById('transcript').innerText.includes('Let me see, yes.')"
        await browser.until(f"{whole} && !document.querySelector('.now')", "the turn is over")
        assert await browser.eval(f"{LINES}") == 3
        assert errors(browser) == []


async def test_turns_that_no_words_of_the_caller_begin_are_told_as_events(start_ingress, browser):
    async def answer(turn, state):
        if turn.kind == "signal":
            yield "The doctor is late."
            yield SendMessage("+15550009999", "Come later.")
        else:
            yield "Hello."

    async with start_ingress(agent=answer) as ingress:
        await ingress.begin()
        signal = {"signal_id": "s1", "name": "late", "data": {}}
        await ingress.client.post(f"/calls/{CALL}/signals", json=signal)
        await browser.visit(f"{ingress.url}/dashboard#call={CALL}")
        await browser.until(f"{LINES} > 1", "the transcript is shown")
        shown = await browser.text("#transcript")
        assert "Signal late" in shown
        assert "sends a text message to +15550009999" in shown
        assert errors(browser) == []


async def test_a_failed_turn_and_lost_workers_are_told(start_ingress, browser):
    async def failing(turn, state):
        raise LookupError("nothing")
        yield

    async with start_ingress(agent=failing) as ingress:
        workers = [
            {"id": "w1", "pid": 7, "seen_at": clock.now(), "running": 1},
            {"id": "w2", "pid": 8, "seen_at": clock.now() - 20, "lost": True},
        ]
        ingress.report(SystemStatus(True, "", workers=1), workers)
        await ingress.begin()
        await browser.visit(f"{ingress.url}/dashboard#call={CALL}")
        await browser.until(f"{LINES} > 0", "the transcript is shown")
        assert "failed: the agent raised LookupError (" in await browser.text("#transcript")
        assert "lost 2" in await browser.text("#staff")
        assert await browser.text("#workers-note") == "1 turn at hand"
        assert "1 worker was lost" in await browser.text("#banner")
        assert await browser.text("#health-word") == "Degraded"


async def test_the_call_that_is_read_stays_in_the_list_when_others_take_the_places(ingress, browser, monkeypatch):
    monkeypatch.setattr("web.dashboard.snapshot.calls_to_show", lambda shown, sids, most=60: list(reversed(sids))[:2])
    await ingress.begin()
    await browser.visit(f"{ingress.url}/dashboard#call={CALL}")
    await browser.until(f"{ROWS} === 1", "the call is in the list")
    for number in range(3):
        await ingress.runtime.states.create_state(f"call-{number}")
    await browser.until(f"{ROWS} === 3", "two others are shown beside it")
    assert await browser.eval("document.querySelectorAll('#calls [aria-current=true]').length") == 1
    assert await browser.eval("document.querySelectorAll('#ended li').length") == 0
