"""A worker that serves several tenants: one with many calls takes half of its slots, and keeps no other waiting."""

import asyncio
from pathlib import Path

import pytest
from support.processes import worker_processes
from support.waiting import wait_until

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.opening import open_runtime
from orchestrator.settings import Settings

pytestmark = pytest.mark.processes

AGENT = """
import asyncio
from pathlib import Path

DIRECTORY = Path(__file__).parent

async def answer(turn, state):
    if state.tenant == "loud":
        (DIRECTORY / f"{turn.call_sid}.running").touch()
        while not (DIRECTORY / "go").exists():
            await asyncio.sleep(0.01)
    yield "yes"
"""
ROUTES = """
[agents.one]
agent = "tenants_agent:answer"

[[routes]]
number = "+15550001"
agent = "one"
tenant = "loud"

[[routes]]
number = "+15550002"
agent = "one"
tenant = "quiet"
"""
LOUD = 20


@pytest.fixture(params=["one server", "a cluster"])
def url(request) -> str:
    if request.param == "one server":
        return str(request.getfixturevalue("redis_url"))
    return str(request.getfixturevalue("cluster").url)


async def test_a_tenant_with_many_calls_leaves_room_for_the_others_and_all_are_answered(
    tmp_path: Path, url: str
) -> None:
    (tmp_path / "tenants_agent.py").write_text(AGENT)
    (tmp_path / "routes.toml").write_text(ROUTES)
    options = {
        "STATE_TTL_SECONDS": "300", "AGENT": "tenants_agent:answer", "ROUTES": str(tmp_path / "routes.toml"),
        "WORKER_MAX_TURNS": "6", "AGENT_TIMEOUT_SECONDS": "100",
    }  # fmt: skip
    settings = Settings(_env_file=None, use_redis=True, redis_url=url)
    with worker_processes(tmp_path, redis_url=url, agents=tmp_path, **options) as start:
        await asyncio.to_thread(start)
        async with open_runtime(settings) as runtime:

            async def take(call_sid: str, tenant: str) -> str:
                opening = {"channel": "api", "direction": "inbound", "tenant": tenant}
                turn = Turn(turn_id="t1", call_sid=call_sid, kind="speech", text="hello")
                result = await (await runtime.dispatcher.submit(turn, opening=opening)).wait(90)
                assert result is not None, f"{call_sid} is not answered"
                return result.reply.text

            def running() -> int:
                return len(list(tmp_path.glob("*.running")))

            async with asyncio.TaskGroup() as group:
                loud = [group.create_task(take(f"CL{number}", "loud")) for number in range(LOUD)]
                await wait_until(lambda: running() == 3, "half of the slots have turns of the tenant", 60)
                for number in range(9):
                    assert await take(f"CQ{number}", "quiet") == "yes"
                assert running() == 3, "and no more of them"
                (tmp_path / "go").touch()
            assert [task.result() for task in loud] == ["yes"] * LOUD
