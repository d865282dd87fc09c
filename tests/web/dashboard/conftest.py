"""The dashboard as a person sees it: a real browser on a real ingress."""

import json
from collections.abc import AsyncIterator

import pytest
from support.browser import CHROMIUM, Browser, open_browser


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests of a module: starting it takes longer than any of them."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    async with open_browser() as opened:
        yield opened


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """A page in English and light, as wide as a desktop's. It may complain of nothing but what a test causes."""
    yield chromium
    errors = [json.loads(text) for text in chromium.complaints]
    chromium.complaints.clear()
    await chromium.visit("about:blank")
    await chromium.forget()
    await chromium.prefer("light")
    await chromium.resize(1360, 850)
    assert [e for e in errors if e.get("entry", {}).get("source") not in ("recommendation", "network")] == []
