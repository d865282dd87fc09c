"""Processes with different encryption keys side by side, as while they are deployed: every turn is answered once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from support.encrypted_redis import KEY, OTHER_KEY, unencrypted
from support.processes import WorkerProcess, worker_processes
from support.terminal import run_script
from support.waiting import wait_until

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.opening import open_runtime
from orchestrator.redis.connections import connect
from orchestrator.retrying import until_deadline
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.turns.redis.dead_letters import RedisDeadLetters

pytestmark = pytest.mark.processes

AGENT = """
import asyncio, random

async def answer(turn, state):
    state.slots["seen"] = [*state.slots.get("seen", []), turn.turn_id]
    yield f"You said {turn.text}."
    await asyncio.sleep(random.random() / 20)
"""
CALLS = 8
OPENING = {"channel": "api", "direction": "inbound"}
PATIENCE = 60
FIRST_TIME = ("", f"plain,{KEY}", f"{KEY},plain", KEY)
NEXT_KEY = (KEY, f"{KEY},{OTHER_KEY}", f"{OTHER_KEY},{KEY}", OTHER_KEY)


def settings_of(url: str, keys: str) -> Settings:
    return Settings(_env_file=None, use_redis=True, redis_url=url, state_encryption_keys=keys or None)


class Callers:
    """Calls that take one turn after the other through an ingress, which may be replaced by another one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ingress = AsyncExitStack()
        self._dispatcher = None
        self._stop = asyncio.Event()
        self.heard: dict[str, list[str]] = {f"CA{number}": [] for number in range(CALLS)}

    async def roll(self, keys: str) -> None:
        """Take all turns through a new ingress with these keys."""
        before, self._ingress = self._ingress, AsyncExitStack()
        self._dispatcher = (
            await self._ingress.enter_async_context(open_runtime(settings_of(self._url, keys)))
        ).dispatcher
        await self.all_answered(turns=2)  # what the old one waits for is answered
        await before.aclose()

    async def all_answered(self, turns: int = 1) -> None:
        before = {call_sid: len(heard) for call_sid, heard in self.heard.items()}
        await wait_until(
            lambda: all(len(heard) >= before[call_sid] + turns for call_sid, heard in self.heard.items()),
            f"every call is answered: {self.heard}", PATIENCE,
        )  # fmt: skip

    @asynccontextmanager
    async def talking(self, keys: str) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            rolling = group.create_task(self.roll(keys))
            await wait_until(lambda: self._dispatcher is not None or rolling.done(), "there is an ingress", PATIENCE)
            for call_sid in self.heard:
                group.create_task(self._talk(call_sid))
            yield
            self._stop.set()
        await self._ingress.aclose()

    async def _submit(self, turn: Turn):
        return await self._dispatcher.submit(turn, opening=OPENING)

    async def _talk(self, call_sid: str) -> None:
        heard = self.heard[call_sid]
        while not self._stop.is_set():
            turn = Turn(turn_id=f"t{len(heard)}", call_sid=call_sid, kind="speech", text=f"secret {len(heard)}")
            # Again after an outage: a machine that stops for seconds is one.
            submit = partial(self._submit, turn)
            pending = await until_deadline(submit, PATIENCE)
            result = await pending.wait(PATIENCE)
            assert result is not None, f"{call_sid} waits for an answer after {heard}"
            assert result.reply.text == f"You said {turn.text}.", result
            heard.append(turn.turn_id)


@pytest.fixture
def start(tmp_path: Path, redis_url: str):
    (tmp_path / "secrets_agent.py").write_text(AGENT)
    options = {"STATE_TTL_SECONDS": "300", "AGENT": "secrets_agent:answer"}
    with worker_processes(tmp_path, redis_url=redis_url, agents=tmp_path, **options) as start:

        async def start_with(keys: str) -> WorkerProcess:
            worker: WorkerProcess = await asyncio.to_thread(start, **({"STATE_ENCRYPTION_KEYS": keys} if keys else {}))
            return worker

        yield start_with


async def audit(url: str, keys: str, callers: Callers) -> list[str]:
    """Each turn was run once, in order, and none is dead. Return what is not encrypted."""
    async with connect(settings_of(url, keys)) as redis:
        states = RedisStateManager(redis, 300)
        for call_sid, heard in callers.heard.items():
            state = await states.get_state(call_sid)
            assert state is not None
            assert state.slots["seen"] == [record.turn_id for record in state.turns] == heard
        assert await RedisDeadLetters(redis).all() == []
        return await unencrypted(redis)


@pytest.mark.parametrize("wrong", ["", OTHER_KEY], ids=["without keys", "with another key"])
async def test_a_worker_without_the_key_leaves_turns_to_one_that_has_it(redis_url, start, wrong) -> None:
    keyless, _ = await start(wrong), await start(KEY)
    callers = Callers(redis_url)
    async with callers.talking(KEY):
        await callers.all_answered()
        await wait_until(lambda: keyless.events("seal.unreadable"), "the worker says which key it lacks", PATIENCE)
        await callers.all_answered()
    assert await audit(redis_url, KEY, callers) == []
    assert len(keyless.events("seal.unreadable")) <= 2, "once a minute"
    assert "secret" not in keyless.log


@pytest.mark.parametrize("order", [FIRST_TIME, NEXT_KEY], ids=["first key", "next key"])
async def test_calls_go_on_while_keys_are_deployed(redis_url, start, tmp_path, order) -> None:
    """Each step of a rotation under live calls, the removal of the old key included."""
    *deployed, last = order
    workers = [await start(deployed[0]) for _ in range(2)]
    callers = Callers(redis_url)

    async def deploy(keys: str) -> None:
        for place in range(2):
            workers[place].terminate()
            workers[place] = await start(keys)
            if not place:
                await callers.roll(keys)
        await callers.all_answered()

    async with callers.talking(deployed[0]):
        await callers.all_answered()
        for keys in deployed[1:]:
            await deploy(keys)
        code, output, errors = await run_script(
            "encryption", "rotate", cwd=tmp_path,
            settings={"USE_REDIS": "true", "REDIS_URL": redis_url, "STATE_ENCRYPTION_KEYS": deployed[-1]},
        )  # fmt: skip
        assert code == 0, output + errors
        await deploy(last)
    assert await audit(redis_url, last, callers) == []
    assert not any(worker.events("seal.unreadable") for worker in workers)
