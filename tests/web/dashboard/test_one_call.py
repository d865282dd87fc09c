"""One call: its transcript as it grows, what it tells of each turn, and what may be done, by the keyboard alone."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from support.browser import Browser
from support.ingress import CALL, Ingress

from orchestrator import SendMessage, SetTimer, clock
from orchestrator.api_keys.key import new_key
from orchestrator.conversation.state import TurnRecord

pytestmark = pytest.mark.processes

ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
LINES = "document.querySelectorAll('.transcript .words').length"
TOLD = "document.querySelector('.transcript').innerText"
DIALOG = "document.querySelector('dialog[open]') !== null"


async def read(browser: Browser, ingress: Ingress, call_sid: str = CALL) -> None:
    """Open a call, and wait for its first words."""
    await browser.visit(f"{ingress.url}/dashboard#/calls/{call_sid}")
    await browser.until(f"{LINES} > 0", "the transcript is shown")


async def tab_to(browser: Browser, text: str) -> None:
    """Press the tabulator until what says `text` has the focus."""
    for _ in range(60):
        await browser.press("Tab")
        if await browser.eval("document.activeElement?.innerText") == text:
            return
    raise AssertionError(f"the keyboard does not reach {text}")


async def begin(browser: Browser, button: str) -> None:
    """Open the dialog of a button by the keyboard."""
    await tab_to(browser, button)
    await browser.press("Enter")
    await browser.until(DIALOG, "the dialog is open")


async def finish(browser: Browser, button: str, told: str) -> None:
    """Do it, and read that it was done."""
    await tab_to(browser, button)
    await browser.press("Enter")
    await browser.until(f"document.getElementById('told')?.innerText.startsWith('{told}')", told)
    assert not await browser.eval(DIALOG)


@pytest.fixture
async def reading(ingress: Ingress, browser: Browser) -> Browser:
    """Somebody who reads along in a call that has begun."""
    await ingress.begin()
    await read(browser, ingress)
    return browser


async def test_a_transcript_grows_while_one_reads_it(ingress, reading):
    await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
    await reading.until(f"{LINES} === 3", "the turn is shown")
    assert "You said good evening." in await reading.text(".transcript")
    await ingress.post("/twilio/status", CallStatus="completed")
    await reading.until("document.querySelector('.facts').innerText.includes('completed')", "the call has ended")


async def test_words_are_seen_as_the_agent_speaks_them(start_ingress, gate, browser):
    async def slow(turn, state):
        if turn.kind == "speech":
            yield "Let me see"
            await gate.wait()
            yield ", yes."
        else:
            yield "Hello."

    async with start_ingress(agent=slow) as ingress:
        await ingress.begin()
        await read(browser, ingress)
        asking = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult="good evening"))
        await browser.until("document.querySelector('.now .words')?.innerText === 'Let me see'", "what was said so far")
        assert "good evening" in await browser.text(".transcript")
        gate.set()
        await asking
        whole = f"{TOLD}.includes('Let me see, yes.') && !document.querySelector('.now')"
        await browser.until(whole, "the turn is over")
        assert await browser.eval(LINES) == 3


async def test_what_a_caller_says_is_text_and_nothing_else(ingress, browser):
    ingress.fields["From"] = ATTACK
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult=ATTACK)
    await read(browser, ingress)
    await browser.until(f"{LINES} === 3", "the turn is shown")
    assert await browser.text(".calltop h2") == ATTACK
    assert ATTACK in await browser.text(".transcript")
    assert await browser.eval("document.querySelectorAll('main img, main script').length") == 0
    assert "taken" not in await browser.eval("document.title")


async def test_what_no_words_of_the_caller_began_is_in_the_story(start_ingress, browser):
    async def answer(turn, state):
        if turn.kind == "signal":
            yield "The doctor is late."
            yield SendMessage("+15550009999", "Come later.")
            yield SetTimer("reminder", 600)
        else:
            yield "Hello."

    async with start_ingress(agent=answer) as ingress:
        await ingress.begin()
        signal = {"signal_id": "s1", "name": "late", "data": {"minutes": 10}}
        await ingress.client.post(f"/calls/{CALL}/signals", json=signal)
        await read(browser, ingress)
        await browser.until(f"{TOLD}.includes('The doctor is late.')", "the signal's turn is shown")
        shown = await browser.text(".transcript")
        assert "Signal late" in shown
        assert '{"minutes":10}' in shown
        assert "sends a text message to +15550009999" in shown
        assert "Timer reminder" in await browser.text(".pending")


async def test_a_turn_tells_its_stages_its_process_and_what_it_survived(ingress, browser):
    await ingress.begin()
    now = clock.utc_now()
    turn = TurnRecord(
        turn_id="late", kind="speech", text="hello", received_at=now, committed_at=now + timedelta(seconds=4),
        outcome="failed", reason="the agent raised LookupError", epoch=7,
        timings={"submitted": 2, "claimed": 3200, "first_token": 3300, "finished": 3900, "committed": 4000},
        worker="w-two", attempts=2, absorbed=[{"fault": "worker_lost", "process": "w-one", "lost_ms": 3190.0}],
    )  # fmt: skip
    state = await ingress.state()
    await ingress.runtime.states.update_state(state.model_copy(update={"turns": [*state.turns, turn]}))
    await read(browser, ingress)
    assert "failed: the agent raised LookupError" in await browser.text(".transcript")
    assert "its worker was lost, and another ran it again (w-one): 3.2\xa0s longer" in await browser.text(".transcript")
    await browser.eval("[...document.querySelectorAll('button.took')].at(-1).focus()")
    await browser.press("Enter")
    await browser.until("document.querySelectorAll('.detail:not([hidden]) tr').length === 5", "its stages are shown")
    detail = await browser.text(".detail:not([hidden])")
    for fact in ("Waited for a worker", "3.2\xa0s", "w-two", "Epoch\n7", "Attempts\n2"):
        assert fact in detail


async def test_to_say_something_takes_the_keyboard_alone(ingress, reading):
    await begin(reading, "Say")
    await reading.write("The doctor comes.")
    await finish(reading, "Say it", "The call has it.")
    await reading.until(f"{TOLD}.includes('The doctor comes.')", "the words are in the transcript")
    assert await reading.eval("document.activeElement?.innerText") == "Say"


async def test_to_send_a_signal_takes_the_keyboard_alone(ingress, reading):
    await begin(reading, "Signal")
    await reading.write("late")
    await reading.press("Tab")
    await reading.write("ten minutes")
    await tab_to(reading, "Send")
    await reading.press("Enter")
    wrong = "document.querySelector('dialog .wrong').innerText.startsWith('The data must be a JSON object')"
    await reading.until(wrong, "what is no JSON is told")
    await reading.press("Escape")
    await reading.until(f"!({DIALOG})", "the dialog is closed")
    await begin(reading, "Signal")
    await reading.write("late")
    await reading.press("Tab")
    await reading.write('{"minutes": 10}')
    await finish(reading, "Send", "The agent has the signal.")
    assert next(turn.data for turn in ingress.turns if turn.kind == "signal") == {"minutes": 10}


async def test_to_transfer_takes_the_keyboard_alone_and_a_refusal_is_a_sentence(start_ingress, browser):
    async with start_ingress(dial_allow="+1555") as ingress:
        await ingress.begin()
        await read(browser, ingress)
        await begin(browser, "Transfer")
        await browser.write("+442071838750")
        await tab_to(browser, "Transfer")
        await browser.press("Enter")
        told = "document.querySelector('dialog .wrong').innerText.includes('may not be dialled')"
        await browser.until(told, "a number that may not be dialled is told")
        await browser.eval("document.querySelector('dialog input').select()")
        await browser.eval("document.querySelector('dialog input').focus()")
        await browser.write("+15550001111")
        await finish(browser, "Transfer", "The transfer is under way.")
        await browser.until(f"{TOLD}.includes('transfers to +15550001111')", "the transfer is in the transcript")


async def test_to_hang_up_takes_a_confirmation(ingress, reading):
    await begin(reading, "Hang up")
    assert "The call ends at once" in await reading.text("dialog")
    await reading.press("Escape")
    await reading.until(f"!({DIALOG})", "nothing happens")
    assert (await ingress.state()).is_active
    await begin(reading, "Hang up")
    await finish(reading, "Hang up", "The call was hung up.")
    await reading.until(f"{TOLD}.includes('hangs up')", "the transcript tells it")


async def test_to_erase_takes_a_typed_word(ingress, reading):
    await begin(reading, "Erase")
    await reading.write("yes")
    await tab_to(reading, "Erase for good")
    await reading.press("Enter")
    assert await reading.eval(DIALOG)
    await reading.eval("document.querySelector('dialog input').select()")
    await reading.eval("document.querySelector('dialog input').focus()")
    await reading.write("erase")
    await finish(reading, "Erase for good", "The call was erased.")
    assert await ingress.state() is None


async def test_axe_finds_nothing_in_the_dialogs(ingress, reading):
    for button in ("Say", "Transfer", "Signal", "Hang up", "Erase"):
        await begin(reading, button)
        assert await reading.violations() == []
        await reading.press("Escape")
        await reading.until(f"!({DIALOG})", "the dialog is closed")


@pytest.mark.parametrize(
    ("scopes", "buttons"), [(["read"], []), (["read", "control"], ["Say", "Transfer", "Signal", "Hang up"])]
)
async def test_what_a_key_does_not_allow_is_not_offered(start_ingress, browser, scopes: Any, buttons):
    secret, key = new_key("watcher", scopes)
    async with start_ingress(api_keys=key.entry) as ingress:
        await ingress.begin()
        await browser.visit(f"{ingress.url}/dashboard#/calls/{CALL}")
        await browser.until("document.activeElement?.id === 'key'", "the page asks for the key")
        await browser.write(secret)
        await browser.press("Enter")
        await browser.until(f"{LINES} > 0", "the transcript is shown")
        offered = "[...document.querySelectorAll('.acts button')].filter((one) => one.offsetWidth > 0)"
        assert await browser.eval(f"{offered}.map((one) => one.innerText)") == buttons
        assert "8675310" not in await browser.text()


async def test_a_call_that_is_not_known_says_where_to_look(ingress, browser):
    await browser.visit(f"{ingress.url}/dashboard#/calls/CAnothing")
    await browser.until("document.querySelector('.call .empty a')?.hash === '#/archive/CAnothing'", "the archive")
    assert "The call is not known any more" in await browser.text(".call")
