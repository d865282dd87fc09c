"""What a person does on a page who has no mouse."""

import json

from support.browser import Browser

MOST_STOPS = 150


async def reach(browser: Browser, selector: str) -> None:
    """Press Tab until the first element that matches and is shown has the focus."""
    wanted = json.dumps(selector)
    shown = f"[...document.querySelectorAll({wanted})].find((one) => one.offsetParent !== null)"
    await browser.until(f"Boolean({shown})", f"{selector} is shown")
    for _ in range(MOST_STOPS):
        if await browser.eval(f"document.activeElement === {shown}"):
            return
        await browser.press("Tab")
    raise AssertionError(f"Tab does not lead to {selector}")


async def choose(browser: Browser, selector: str) -> None:
    """Reach a button or link, and press Enter."""
    await reach(browser, selector)
    await browser.press("Enter")


async def confirm(browser: Browser, text: str | None = None) -> None:
    """Confirm the open dialog; write `text` into its first field before."""
    await browser.until("document.querySelector('dialog[open]') !== null", "a dialog asks")
    if text is not None:
        await reach(browser, "dialog input, dialog textarea")
        await browser.eval("document.activeElement.select()")
        await browser.write(text)
    await choose(browser, "dialog [type=submit]")


async def confirmed(browser: Browser, text: str | None = None) -> None:
    """Confirm the open dialog, and wait until it is gone: it was done."""
    await confirm(browser, text)
    await browser.until("document.querySelector('dialog[open]') === null", "it is done")
