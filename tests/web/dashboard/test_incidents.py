"""The incidents, as a person sees them: what happened, which calls noticed, and by how much."""

import json

import pytest
from support.browser import Browser
from support.ingress import CALL, Ingress
from support.keyboard import choose, reach

from orchestrator import clock
from orchestrator.incidents.incident import Noticed, ProcessName, Report

pytestmark = pytest.mark.processes

WORKER = ProcessName("w-lost-123", "worker", "anna", 4711, "v7")
TABLE = ".incident[data-tone=bad] details"
ROWS = f"document.querySelectorAll('{TABLE} tbody tr').length"
UNKNOWN = {"code": "from_the_future", "params": {}, "message": "Said by the server.", "advice": "Do it."}
SAID = f"import('/dashboard/page/sentences.js').then(({{saying}}) => saying({json.dumps(UNKNOWN)}))"
CELLS = f"[...document.querySelectorAll('{TABLE} tbody tr')].map((row) => [...row.cells].map((one) => one.innerText))"


@pytest.fixture
async def ingress(ingress: Ingress) -> Ingress:
    """An ingress that knows of a lost worker, which three calls have noticed: the first of them is live."""
    await ingress.begin()
    log, now = ingress.runtime.incidents.log, clock.now()
    await log.report(Report("away:w-lost-123", "worker_lost", now - 30, None, WORKER))
    calls = ((CALL, "run_again", 2100.0), ("CA2", "run_again", 19_400.0), ("CA3", "failed", 800.0))
    await log.note([Noticed(sid, "turn-1", how, ms, now - 20, WORKER.id) for sid, how, ms in calls])
    return ingress


async def visit(browser: Browser, ingress: Ingress) -> None:
    await browser.visit("about:blank")
    await browser.visit(f"{ingress.url}/dashboard#/incidents")
    await browser.until(f"{ROWS} === 3", "the calls that noticed are listed")


async def test_the_calls_that_noticed_are_read_and_followed_by_the_keyboard(ingress: Ingress, browser: Browser):
    await visit(browser, ingress)
    assert "3 calls noticed it: at worst 19\u00a0s longer" in await browser.text(f"{TABLE} summary")
    assert "Worker w-lost-1 (pid 4711 on anna) was lost" in await browser.text(".incident[data-tone=bad] .message")
    await choose(browser, f"{TABLE} summary")
    await browser.until(f"document.querySelector('{TABLE}').open", "the calls are shown")
    assert [row[1:3] for row in await browser.eval(CELLS)] == [
        ["its turn ran again", "2.1\u00a0s"], ["its turn ran again", "19\u00a0s"], ["its turn failed", "800\u00a0ms"],
    ]  # fmt: skip
    await reach(browser, f"{TABLE} .scroll")
    await choose(browser, f"{TABLE} tbody a")
    await browser.until(f"location.hash === '#/calls/{CALL}'", "the link leads to the call")
    await browser.until("document.querySelector('.transcript li') !== null", "the call is there")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1360, "light")])
async def test_everybody_can_read_them_in_their_language(ingress: Ingress, browser: Browser, width: int, scheme: str):
    await browser.resize(width, 844, phone=width < 500)
    await browser.prefer(scheme)
    await browser.speak("de")
    try:
        await visit(browser, ingress)
        await browser.eval(f"document.querySelector('{TABLE}').open = true")
        assert await browser.eval("document.documentElement.scrollWidth <= innerWidth")
        assert await browser.violations() == []
        lost = "Worker w-lost-1 (PID 4711 auf anna) ging verloren"
        assert lost in await browser.text(".incident[data-tone=bad] .message")
        await browser.until("document.querySelector('.finding') !== null", "the banner tells of it")
        assert lost in await browser.text(".finding")
        there = await browser.eval("document.querySelector('.finding .where').getAttribute('href')")
        assert there == "#/operations/processes", "it leads to what shows whether there is another one"
        unknown = {"message": UNKNOWN["message"], "advice": UNKNOWN["advice"]}
        assert await browser.eval(SAID) == unknown, "a newer server says it itself"
    finally:
        await browser.speak("en")
