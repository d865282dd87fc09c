"""The list of live calls, and the figures above it."""

import asyncio
from typing import Any

import pytest
from support.browser import Browser
from support.ingress import CALL, Ingress

from orchestrator.conversation.turn import Turn

pytestmark = pytest.mark.processes

ROWS = "document.querySelectorAll('.callrow').length"
ACTIVE = "document.querySelector('.callrow.active .who')?.innerText"
LIST = "document.activeElement?.getAttribute('role') === 'listbox'"
MANY = 600


async def callers(ingress: Ingress, count: int, **fields: Any) -> None:
    """So many live calls, the last one the newest."""
    for number in range(count):
        await ingress.runtime.states.create_state(f"call-{number:04}", channel="api", **fields)


async def at(browser: Browser, ingress: Ingress, place: str = "") -> None:
    await browser.visit(f"{ingress.url}/dashboard{place}")


async def test_a_call_comes_into_the_list_and_goes_among_the_ended(ingress, browser):
    await at(browser, ingress)
    await browser.until("document.body.innerText.includes('The lines are quiet.')", "the page says that all is quiet")
    assert await browser.text(".health") == "Callers are served"
    await ingress.begin()
    await browser.until(f"{ROWS} === 1", "the call is in the list")
    await browser.until("document.querySelector('.callrow .said').innerText === 'Agent: Hello!'", "with what was said")
    assert await browser.text(".callrow .who") == "+15558675310"
    await browser.until("document.title === '(1) VoiceAgent'", "the title counts it")
    await ingress.post("/twilio/status", CallStatus="completed")
    await browser.until(f"{ROWS} === 0", "the call has left the list")
    await browser.eval("[...document.querySelectorAll('.tabs button')].at(-1).click()")
    await browser.until(f"{ROWS} === 1", "the call is among those that have ended")
    assert "show=ended" in await browser.eval("location.hash")


async def test_of_many_calls_only_those_in_view_are_in_the_document(ingress, browser):
    await callers(ingress, MANY)
    await at(browser, ingress)
    await browser.until(f"document.querySelector('.tabs .n')?.innerText === '{MANY}'", "all calls are counted")
    await browser.until(f"document.querySelector('.callrow')?.ariaSetSize === '{MANY}'", "and listed")
    assert 0 < await browser.eval(ROWS) < 40
    await browser.eval("document.querySelector('.list').focus()")
    await browser.press("End")
    await browser.until(f"{ACTIVE} === 'call-0000'", "the oldest call is reached")
    assert await browser.eval("document.querySelector('.callrow.active').ariaPosInSet") == str(MANY)
    assert 0 < await browser.eval(ROWS) < 40
    inside = "(({top, bottom}) => top >= 0 && bottom <= innerHeight)"
    assert await browser.eval(f"{inside}(document.querySelector('.callrow.active').getBoundingClientRect())")


async def test_the_keyboard_alone_finds_opens_and_leaves_a_call(ingress, browser):
    await callers(ingress, 5)
    await at(browser, ingress)
    await browser.until(f"{ROWS} === 5", "the calls are listed")
    await browser.press("/")
    await browser.until("document.activeElement?.type === 'search'", "the search has the focus")
    await browser.write("call-000")
    await browser.until("location.hash.includes('number=call-000')", "the address says what is looked for")
    await browser.press("ArrowDown")
    assert await browser.eval(LIST)
    await browser.press("ArrowDown")
    await browser.press("ArrowDown")
    await browser.until(f"{ACTIVE} === 'call-0003'", "the second newest call is chosen")
    named = "document.getElementById(document.querySelector('.list').getAttribute('aria-activedescendant'))"
    assert await browser.eval(f"{named}.innerText.includes('call-0003')")
    await browser.press("Enter")
    await browser.until("document.activeElement?.innerText === 'call-0003'", "the call is open and has the focus")
    assert await browser.eval("location.hash") == "#/calls/call-0003?number=call-000"
    await browser.press("Escape")
    await browser.until(LIST, "the list has the focus again")
    assert await browser.eval(ACTIVE) == "call-0003"


async def test_no_update_takes_the_focus_or_the_choice(ingress, browser):
    await callers(ingress, 5)
    await at(browser, ingress)
    await browser.until(f"{ROWS} === 5", "the calls are listed")
    await browser.eval("document.querySelector('.list').focus()")
    await browser.press("ArrowDown")
    await browser.press("ArrowDown")
    for number in range(3):
        await ingress.runtime.states.create_state(f"new-{number}", channel="api")
    await ingress.runtime.states.delete_state("call-0001")
    await browser.until(f"{ROWS} === 7", "calls have come and gone")
    assert await browser.eval(LIST)
    assert await browser.eval(ACTIVE) == "call-0003"


async def test_the_filters_are_in_the_address_and_come_from_it(ingress, browser):
    for number in range(6):
        agent, tenant = ("billing", "north") if number % 2 else ("pharmacy", "south")
        await ingress.runtime.states.create_state(
            f"call-{number}", from_number=f"+1555000000{number}", agent=agent, tenant=tenant
        )
    await at(browser, ingress)
    await browser.until(f"{ROWS} === 6", "the calls are listed")
    choose = "(s => { s.value = 'billing'; s.dispatchEvent(new Event('change')) })"
    await browser.eval(f"{choose}([...document.querySelectorAll('.choices select')][0])")
    await browser.until(f"{ROWS} === 3", "those of one agent are left")
    await browser.eval("document.querySelector('.filters input').focus()")
    await browser.write("000 0003")
    await browser.until(f"{ROWS} === 1", "and of them one number, however it is written")
    address = await browser.eval("location.hash")
    assert "agent=billing" in address
    await browser.visit("about:blank")
    await at(browser, ingress, address)
    await browser.until(f"{ROWS} === 1", "the address brings the same list")
    assert await browser.eval("document.querySelector('.filters input').value") == "000 0003"
    assert await browser.text(".callrow .who") == "+15550000003"
    await browser.eval("document.querySelector('.foot button').click()")
    await browser.until(f"{ROWS} === 6", "all calls are listed again")


async def test_who_waits_and_whose_turn_failed_is_found_by_one_click(start_ingress, browser):
    async def failing(turn, state):
        if turn.kind == "speech":
            raise LookupError("nothing")
        yield "Hello."

    async with start_ingress(agent=failing) as ingress:
        await ingress.begin()
        await ingress.runtime.states.create_state("another", channel="api")
        await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
        await at(browser, ingress)
        await browser.until("document.querySelector('[data-health=failing] .n')?.innerText === '1'", "one call fails")
        await browser.eval("document.querySelector('.tabs [data-health=failing]').click()")
        await browser.until(f"{ROWS} === 1", "it is found")
        assert await browser.text(".callrow .said") == "the last turn failed"
        assert await browser.text(".figure .note") == "1 in trouble"


async def test_a_caller_who_waits_is_told_in_the_list(start_ingress, gate, browser):
    async def slow(turn, state):
        if turn.kind == "speech":
            await gate.wait()
        yield "Hello."

    async with start_ingress(agent=slow) as ingress:
        await ingress.begin()
        asking = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="good evening"))
        await at(browser, ingress)
        await browser.until("document.querySelector('.callrow .said')?.innerText === 'waits for a reply'", "it waits")
        gate.set()
        await asking
        await browser.until("document.querySelector('.callrow .said')?.innerText === 'Agent: Hello.'", "no more")


async def test_what_a_caller_says_is_text_in_the_list(ingress, browser):
    attack = "<img src=x onerror=\"document.title='taken'\">"
    ingress.fields["From"] = attack
    await ingress.begin()
    turn = Turn(turn_id="t", call_sid=CALL, kind="speech", text=attack)
    await (await ingress.dispatcher.submit(turn)).wait(5)
    await at(browser, ingress)
    await browser.until(f"{ROWS} === 1", "the call is listed")
    assert await browser.text(".callrow .who") == attack
    assert await browser.eval("document.querySelectorAll('main img, main script').length") == 0
