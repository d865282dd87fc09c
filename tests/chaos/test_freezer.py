"""What chaos freezes runs again, whatever becomes of chaos."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import die_with_parent
from support.terminal import environment
from support.waiting import wait_until

from orchestrator.chaos.freezer import Freezer
from orchestrator.chaos.local_process import LocalProcess, ProcessGone, local_process
from orchestrator.tasks import cancel_and_wait

pytestmark = pytest.mark.processes

REPOSITORY = Path(__file__).parents[2]
FREEZING = """
import asyncio, sys
from orchestrator.chaos.freezer import Freezer
from orchestrator.chaos.local_process import local_process

async def main():
    async with Freezer() as freezer:
        await freezer.freeze(local_process(int(sys.argv[1])), 600)

asyncio.run(main())
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=die_with_parent)
    yield process
    process.kill()
    process.wait()


def known(process: subprocess.Popen[bytes]) -> LocalProcess:
    found = local_process(process.pid)
    assert found is not None
    return found


def is_frozen(process: subprocess.Popen[bytes]) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_a_frozen_process_runs_again_after_its_time(sleeper: subprocess.Popen[bytes]) -> None:
    async with Freezer() as freezer:
        freezing = asyncio.create_task(freezer.freeze(known(sleeper), 1.0))
        await wait_until(lambda: is_frozen(sleeper), "it is frozen")
        await freezing
        await wait_until(lambda: not is_frozen(sleeper), "it runs again")


async def test_a_freeze_that_is_cancelled_ends_at_once(sleeper: subprocess.Popen[bytes]) -> None:
    async with Freezer() as freezer:
        freezing = asyncio.create_task(freezer.freeze(known(sleeper), 600))
        await wait_until(lambda: is_frozen(sleeper), "it is frozen")
        await cancel_and_wait(freezing)
        await wait_until(lambda: not is_frozen(sleeper), "it runs again")


async def test_a_frozen_process_may_be_killed(sleeper: subprocess.Popen[bytes]) -> None:
    process = known(sleeper)
    async with Freezer() as freezer:
        freezing = asyncio.create_task(freezer.freeze(process, 600))
        await wait_until(lambda: is_frozen(sleeper), "it is frozen")
        sleeper.kill()
        sleeper.wait()
        await cancel_and_wait(freezing)
        with pytest.raises(ProcessGone):
            await freezer.freeze(process, 600)


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_it_runs_again_when_chaos_itself_is_gone(sleeper: subprocess.Popen[bytes], end: str) -> None:
    command = [sys.executable, "-c", FREEZING, str(sleeper.pid)]
    chaos = subprocess.Popen(command, cwd=REPOSITORY, env=environment(), preexec_fn=die_with_parent)
    await wait_until(lambda: is_frozen(sleeper), "it is frozen")
    getattr(chaos, end)()
    chaos.wait()
    await wait_until(lambda: not is_frozen(sleeper), "it runs again")
