"""`voiceagent erase`: a call is gone, if a person or an option says so."""

from pathlib import Path

import pytest
from support.ingress import started_ingress
from support.terminal import run_script

pytestmark = pytest.mark.processes


async def test_a_call_is_erased(tmp_path: Path) -> None:
    async with started_ingress() as ingress:
        await ingress.begin()
        code, output, _ = await run_script("erase", ingress.call_sid, "--yes", "--url", ingress.url, cwd=tmp_path)
        assert (code, output.partition(".")[0]) == (0, f"{ingress.call_sid} is erased")
        assert await ingress.state() is None
        code, _, errors = await run_script("erase", "CA9", "--yes", "--url", ingress.url, cwd=tmp_path)
    assert code == 1
    assert errors.startswith("voiceagent: ")


async def test_without_a_word_nothing_is_erased(tmp_path: Path) -> None:
    async with started_ingress() as ingress:
        await ingress.begin()
        code, output, errors = await run_script("erase", ingress.call_sid, "--url", ingress.url, cwd=tmp_path)
        assert (code, output) == (1, "Nothing was erased.\n")
        assert errors == "Nobody can be asked here: add --yes.\n"
        assert await ingress.state() is not None
