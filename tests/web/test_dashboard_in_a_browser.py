"""The dashboard as a person sees it: a real browser, a real ingress, real calls."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.browser import CHROMIUM, Browser, open_browser
from support.ingress import CALL

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
ROWS = "document.querySelectorAll('#calls li').length"
LINES = "document.querySelectorAll('#transcript .words').length"


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all: starting it takes longer than any test."""
    async with open_browser() as opened:
        yield opened


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    yield chromium
    await chromium.visit("about:blank")
    chromium.complaints.clear()


def errors(browser: Browser) -> list[str]:
    """What the console complained of, without its advice and the answers that a test asks for."""
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
    await browser.until("document.querySelector('main.stale') !== null", "the page notices that nobody answers")
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
