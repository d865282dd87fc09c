"""The history, the archive and the incidents, as a person sees them."""

from collections.abc import AsyncIterator

import pytest
from support.browser import Browser
from support.ingress import Ingress, StartIngress
from support.keyboard import choose, reach
from support.recorded_calls import ended, keep, turn

from orchestrator import clock
from orchestrator.incidents.incident import Noticed

pytestmark = pytest.mark.processes

CHARTS = 11
QUICKLY = {"record": 0.02}


async def visit(browser: Browser, ingress: Ingress, place: str, shown: str) -> None:
    """Open a view, and wait until something of it is shown."""
    await browser.visit("about:blank")
    await browser.visit(f"{ingress.url}/dashboard#/{place}")
    await browser.until(f"document.querySelector({shown!r}) !== null", f"{place} is filled")


@pytest.fixture
async def archive(records_url: str, start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    """An ingress with an archive of three calls."""
    calls = [ended(turn("t1", f"word{number}"), call_sid=f"CA{number}", hours=number) for number in range(3)]
    await keep(records_url, calls)
    async with start_ingress(events_database_url=records_url) as ingress:
        yield ingress


async def test_turns_are_seen_as_charts_and_as_tables(start_ingress: StartIngress, browser: Browser):
    async with start_ingress(timeouts=QUICKLY) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")

        await visit(browser, ingress, "history", "[data-chart=turns] canvas")
        assert await browser.eval("document.querySelectorAll('.chart').length") == CHARTS
        await browser.until(
            "document.querySelector('[data-chart=turns] .headline').innerText === '2'", "both turns are counted"
        )
        label = "document.querySelector('[data-chart=turns] .plot').getAttribute('aria-label')"
        assert "replied 2" in await browser.eval(label)
        await choose(browser, "[data-chart=turns] summary")
        await browser.until("document.querySelectorAll('[data-chart=turns] tbody tr').length === 60", "a row a minute")
        await choose(browser, "[data-hours='6']")
        await browser.until("location.hash === '#/history?hours=6'", "the address has the time")
        await browser.until("document.querySelectorAll('[data-chart=turns] tbody tr').length === 72", "six hours")


async def test_a_record_is_found_and_read_by_the_keyboard(archive: Ingress, browser: Browser):
    await visit(browser, archive, "archive", ".record")
    assert await browser.eval("document.querySelectorAll('.record').length") == 3
    await reach(browser, "[name=text]")
    await browser.write("word1")
    await browser.press("Enter")
    await browser.until("document.querySelectorAll('.record').length === 1", "one is found")
    await choose(browser, ".record")
    await browser.until("document.querySelector('.transcript')?.innerText.includes('word1')", "it is read")
    assert "CA1" in await browser.text(".sid")
    await browser.press("Escape")
    await browser.until("document.querySelector('.transcript') === null", "it is closed")


async def test_without_a_database_it_says_how_to_get_one(ingress: Ingress, browser: Browser):
    await visit(browser, ingress, "archive", ".howto")
    assert "voiceagent records migrate" in await browser.text(".howto")


async def test_what_no_incident_explains_is_told_apart(ingress: Ingress, browser: Browser):
    asked_twice = Noticed("CA7", "turn-1", "repeated", 900, clock.now() - 90, "somebody")
    await ingress.runtime.incidents.log.note([asked_twice])
    await visit(browser, ingress, "incidents", ".incident:not([hidden]) summary")
    summary = ".incident:not([hidden]) summary"
    assert await browser.text(summary) == "1 call noticed something that no incident explains"
    await choose(browser, summary)
    await browser.until("document.querySelector('.incident:not([hidden]) tbody tr a')?.innerText === 'CA7'", "which")
    assert "the provider asked again" in await browser.text(".incident:not([hidden]) tbody")
    assert await browser.violations() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1360])
async def test_everybody_can_use_them(archive: Ingress, browser: Browser, width: int, scheme: str):
    await browser.resize(width, 844, phone=width < 500)
    await browser.prefer(scheme)
    for place, shown in (("history", ".chart canvas"), ("archive", ".record"), ("incidents", ".paged .empty")):
        await visit(browser, archive, place, shown)
        assert await browser.eval("document.documentElement.scrollWidth <= innerWidth"), place
        assert await browser.violations() == [], place
