"""The page of the API in a real browser: it asks nobody else for anything, and axe-core finds nothing wrong."""

import pytest
from support.browser import CHROMIUM, open_browser

pytestmark = [pytest.mark.processes, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_finds_nothing(start_ingress, width: int, scheme: str) -> None:
    async with start_ingress() as ingress, open_browser() as browser:
        await browser.resize(width, 844, phone=width < 500)
        await browser.prefer(scheme)
        await browser.visit(f"{ingress.url}/docs")
        await browser.until("document.querySelectorAll('article').length > 20", "the page is there")
        assert await browser.violations() == []
        assert browser.complaints == []
        loaded = await browser.eval("performance.getEntriesByType('resource').map(it => new URL(it.name).origin)")
        assert set(loaded) == {ingress.url}
        wide = await browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0
