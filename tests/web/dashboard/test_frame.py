"""The frame of the page: the door, the language, the banner, how it looks on every screen."""

import pytest
from support.browser import Browser
from support.ingress import CALL, Ingress
from support.proxy import FaultProxy

from orchestrator.errors import StoreUnavailable

pytestmark = pytest.mark.processes

ROWS = "document.querySelectorAll('.callrow').length"
LINES = "document.querySelectorAll('.transcript .words').length"
BOARD = "document.querySelector('.board')?.hidden === false"


async def filled(browser: Browser, ingress: Ingress, place: str) -> None:
    """Open the list, or a call, and wait until it is there."""
    await browser.visit("about:blank")
    await browser.visit(f"{ingress.url}/dashboard{place}")
    await browser.until(f"{LINES if place else ROWS} > 0", "the page is filled")


async def test_the_page_opens_with_a_key_and_keeps_none(start_ingress, browser):
    async with start_ingress(api_key="schlüssel") as ingress:
        await browser.visit(ingress.url + "/dashboard")
        await browser.until("document.activeElement?.id === 'key'", "the page asks for the key")
        assert await browser.text(".health") == "Locked"
        await browser.write("wrong")
        await browser.press("Enter")
        told = "document.getElementById('wrong').innerText === 'That is not a key of this server.'"
        await browser.until(f"{told} && document.activeElement?.id === 'key'", "a wrong key is told")
        await browser.write("schlüssel")
        await browser.press("Enter")
        await browser.until(BOARD, "the board is shown")
        kept = "JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])"
        assert await browser.eval(kept) == '[0,0,""]'
        await browser.visit(ingress.url + "/dashboard#/calls")
        await browser.until(BOARD, "the board is shown at once the next time")
        await browser.eval("document.querySelector('.menu').open = true")
        assert "API_KEY may: read, converse, dial, control, admin" in await browser.text(".menu")
        await browser.eval("document.querySelector('.menu button').click()")
        await browser.until("document.activeElement?.id === 'key'", "the key is forgotten")


async def test_figures_that_are_old_are_marked_as_old(ingress, browser):
    await ingress.begin()
    async with FaultProxy(int(ingress.url.rpartition(":")[2])) as proxy:
        await browser.visit(f"http://127.0.0.1:{proxy.port}/dashboard")
        await browser.until(f"{ROWS} === 1", "the page is filled")
        proxy.refuse()
        await browser.until("document.querySelector('.board.stale') !== null", "the page notices that nobody answers")
        assert "The server does not answer." in await browser.text(".banner")
        assert await browser.text(".health") == "No answer"
        proxy.heal()
        await browser.until("document.querySelector('.board.stale') === null", "the server answers again")
        assert await browser.text(".health") == "Callers are served"
        assert await browser.eval(ROWS) == 1


async def test_what_is_wrong_stands_in_the_banner(ingress, browser):
    await browser.visit(ingress.url + "/dashboard")
    await browser.until("document.querySelector('.health')?.dataset.status === 'healthy'", "all is well")
    assert await browser.eval("document.querySelectorAll('.finding').length") == 0
    ingress.report(StoreUnavailable())
    await browser.until("document.querySelectorAll('.finding').length > 0", "the trouble is told")
    assert await browser.eval("document.querySelector('.health').dataset.status") != "healthy"


async def test_the_page_speaks_the_language_of_its_reader(ingress, browser):
    await ingress.begin()
    await browser.speak("de-AT")
    try:
        await filled(browser, ingress, f"#/calls/{CALL}")
        assert await browser.text(".health") == "Anrufer werden bedient"
        assert "Anruf begann" in await browser.text(".transcript")
        assert await browser.eval("document.documentElement.lang") == "de"
        choose = "(s => { s.value = 'en'; s.dispatchEvent(new Event('change', {bubbles: true})) })"
        await browser.eval(f"{choose}(document.querySelector('.menu select'))")
        await browser.until("document.querySelector('.health')?.innerText === 'Callers are served'", "now in English")
        await filled(browser, ingress, f"#/calls/{CALL}")
        assert await browser.eval("document.documentElement.lang") == "en"
    finally:
        await browser.speak("en")


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("width", [320, 390, 768, 1360])
async def test_nothing_sticks_out_of_the_page(ingress, browser, width, language):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="a" * 500)
    await browser.resize(width, 800, phone=width < 500)
    await browser.speak(language)
    try:
        for place in ("", f"#/calls/{CALL}"):
            await filled(browser, ingress, place)
            assert await browser.eval("document.documentElement.scrollWidth <= innerWidth")
    finally:
        await browser.speak("en")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1360])
async def test_axe_finds_nothing(ingress, browser, width, scheme):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
    ingress.report(StoreUnavailable())
    await browser.resize(width, 844, phone=width < 500)
    await browser.prefer(scheme)
    for place in ("", f"#/calls/{CALL}"):
        await filled(browser, ingress, place)
        await browser.until("document.querySelectorAll('.finding').length > 0", "the trouble is told")
        assert await browser.violations() == []
    await browser.eval("document.querySelectorAll('button.took').forEach((one) => one.click())")
    assert await browser.violations() == []
    await browser.eval("document.querySelector('.menu').open = true")
    assert await browser.violations() == []


async def test_axe_finds_nothing_at_the_locked_door(start_ingress, browser):
    async with start_ingress(api_key="key") as ingress:
        await browser.visit(ingress.url + "/dashboard")
        await browser.until("document.activeElement?.id === 'key'", "the page asks for the key")
        assert await browser.violations() == []


@pytest.mark.parametrize(("width", "columns"), [(768, 1), (1360, 2)])
async def test_list_and_transcript_are_side_by_side_where_there_is_room(ingress, browser, width, columns):
    await ingress.begin()
    await browser.resize(width, 900)
    await filled(browser, ingress, f"#/calls/{CALL}")
    seen = "['.side', '.call'].filter((part) => document.querySelector(part).offsetWidth > 0)"
    assert await browser.eval(f"{seen}.length") == columns
    assert await browser.eval("document.querySelector('.call').offsetWidth") > 0.6 * min(width, 1000)
    await filled(browser, ingress, "")
    assert await browser.eval(seen) == [".side", ".call"][:columns]
