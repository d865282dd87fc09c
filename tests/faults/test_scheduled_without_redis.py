"""What a call schedules while Redis is down happens once: here meanwhile, or in a worker afterwards."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import WorkerProcess
from support.waiting import wait_until

from orchestrator.agents.protocol import Agent
from orchestrator.conversation.state import ConversationState
from orchestrator.dispatch.opening import open_runtime
from orchestrator.runtime import Runtime
from orchestrator.settings import Settings
from orchestrator.testing.example_turns import a_turn

pytestmark = pytest.mark.processes

AGENT = '''
import os
from pathlib import Path
from orchestrator import SetTimer, StartActivity

HERE = Path(__file__).parent


async def look_up():
    """Goes on until the file `go` is there."""
    import asyncio
    with open(HERE / "runs", "a") as runs:
        print(os.getpid(), file=runs)
    while not (HERE / "go").exists():
        await asyncio.sleep(0.01)
    return os.getpid()


async def reply(turn, state):
    match turn.kind, turn.text.split():
        case "speech", ["set", name, seconds]:
            yield SetTimer(name, float(seconds))
        case "speech", ["look", "up"]:
            yield StartActivity("outage_agent:look_up", name="calendar")
        case ("timer" | "activity"), [name]:
            state.slots.setdefault(name, []).append([os.getpid(), turn.data])
    yield "Well."
'''


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    (tmp_path / "outage_agent.py").write_text(AGENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    import outage_agent  # type: ignore[import-not-found]

    yield Agent("trial", outage_agent.reply, isolation="inline")
    del sys.modules["outage_agent"]


@pytest.fixture
async def server(start_redis: Any) -> Any:
    return start_redis("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
async def ingress(server: Any, agent: Agent) -> AsyncIterator[Runtime]:
    settings = Settings(_env_file=None, use_redis=True, redis_url=server.url, state_ttl_seconds=100)
    async with open_runtime(settings, agent=agent) as runtime:
        yield runtime


async def say(ingress: Runtime, text: str, turn_id: str) -> None:
    pending = await ingress.dispatcher.submit(a_turn(turn_id, text=text), opening={"channel": "relay"})
    result = await pending.wait(60)
    assert result is not None
    assert result.outcome == "replied"


async def state_of(ingress: Runtime) -> ConversationState:
    state = await ingress.states.get_state("CA1")
    assert state is not None
    return state


async def came(ingress: Runtime, name: str) -> list[Any]:
    """Wait for what the timer or activity has brought. Fail if it has brought it twice."""

    async def has_come() -> bool:
        return name in (await state_of(ingress)).slots

    await wait_until(has_come, f"{name} has come")
    (brought,) = (await state_of(ingress)).slots[name]
    return list(brought)


async def test_it_happens_here_during_the_outage_and_in_a_worker_afterwards(
    ingress: Runtime, server: Any, tmp_path: Path
) -> None:
    worker = WorkerProcess(
        tmp_path, redis_url=server.url, agents=tmp_path, AGENT="outage_agent:reply", STATE_TTL_SECONDS="100"
    )
    assert ingress.local_calls is not None
    with worker:
        await say(ingress, "set before 5", "t1")
        base = await state_of(ingress)
        assert base.timers.keys() == {"before"}
        server.kill()
        await ingress.dispatcher.run_locally(base)
        await say(ingress, "set now 0", "t2")
        await say(ingress, "set later 3600", "t3")
        await say(ingress, "look up", "t4")
        assert (await came(ingress, "now"))[0] == os.getpid()
        assert (await came(ingress, "before"))[0] == os.getpid()
        runs = tmp_path / "runs"
        await wait_until(lambda: runs.exists() and runs.read_text().split() == [str(os.getpid())], "it runs here")
        server.start()
        await wait_until(lambda: "CA1" not in ingress.local_calls, "the call is written back")
        await wait_until(lambda: runs.read_text().split()[1:] == [str(worker.pid)], "a worker runs the activity")
        (tmp_path / "go").touch()
        pid, data = await came(ingress, "calendar")
        assert (pid, data) == (worker.pid, {"result": worker.pid})
        state = await state_of(ingress)
        assert (state.timers.keys(), state.activities) == ({"later"}, {})
        assert [record.text for record in state.turns if record.turn_id.startswith("~")] == [
            "now",
            "before",
            "calendar",
        ]
