"""A turn that crashes or freezes its process harms no other turn."""

import asyncio
import signal

import pytest
from redis.asyncio import Redis
from support.processes import worker_processes
from support.waiting import wait_until

from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.redis import keys
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.outcome import APOLOGY

pytestmark = pytest.mark.processes

AGENTS = """
import asyncio, ctypes, os, signal
from pathlib import Path

DIRECTORY = Path(__file__).parent

def note(turn, what):
    with open(DIRECTORY / "runs", "a") as runs:
        print(turn.call_sid, what, os.getpid(), file=runs)

async def answer(turn, state):
    note(turn, "began")
    state.slots["seen"] = [*state.slots.get("seen", []), turn.turn_id]
    if turn.text == "wait":
        yield "Well. "
        while not (DIRECTORY / "go").exists():
            await asyncio.sleep(0.01)
    elif turn.text == "die":
        yield "argh"
        while not (DIRECTORY / "all").exists():
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    elif turn.text == "freeze":
        yield "brr"
        while not (DIRECTORY / "all").exists():
            await asyncio.sleep(0.01)
        ctypes.PyDLL(None).sleep(60)  # C code that keeps the interpreter's lock
    elif turn.text == "count":
        for number in range(300):
            yield f"{number} "
    elif turn.text == "raise":
        raise RuntimeError(f"the caller said {turn.text}")
    state.phase = "done"
    yield f"you said {turn.text}"

class Apart:
    isolation = "process"
    reply = staticmethod(answer)

apart = Apart()
"""


@pytest.fixture
def start(tmp_path, redis_url):
    """Start a worker with one of the agents above."""
    (tmp_path / "poison_agents.py").write_text(AGENTS)
    life = {"STATE_TTL_SECONDS": "100"}  # as the dispatcher has it
    with worker_processes(tmp_path, redis_url=redis_url, agents=tmp_path, **life) as start:
        yield lambda agent="answer", **settings: start(AGENT=f"poison_agents:{agent}", **settings)


@pytest.fixture
def began(tmp_path):
    """Return the process of each run of the call's turn."""

    def pids(call_sid: str) -> list[int]:
        path = tmp_path / "runs"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[2]) for line in lines if line.split()[0] == call_sid]

    return pids


async def speak(dispatcher, call_sid: str, text: str, turn_id: str = "t1", **options):
    turn = a_turn(turn_id, call_sid=call_sid, text=text)
    return await submit_by(dispatcher, turn, opening={"channel": "api"}, deadline_seconds=60, **options)


async def outcomes(pendings) -> list[str]:
    results = [await pending.wait(60) for pending in pendings]
    return [result.outcome if result else "nothing came" for result in results]


GOOD = ["CA1", "CA2", "CA3"]


async def begin_all(dispatcher, began, tmp_path, poison: str):
    """Submit three good turns and a bad one, all of which run in one worker."""
    pendings = [await speak(dispatcher, call_sid, "wait", stream=True) for call_sid in GOOD]
    bad = await speak(dispatcher, "CAbad", poison, stream=True)
    await wait_until(lambda: all(began(call_sid) for call_sid in [*GOOD, "CAbad"]), "all run")
    return pendings, bad


async def test_a_turn_that_kills_its_worker_becomes_a_dead_letter_and_the_others_are_answered(
    start, dispatcher, states, began, tmp_path, redis_client: Redis
) -> None:
    first = start()
    pendings, bad = await begin_all(dispatcher, began, tmp_path, "die")
    (tmp_path / "all").touch()
    assert await asyncio.to_thread(first.wait_exit) == -signal.SIGKILL
    second = start()
    result = await bad.wait(60)
    assert result.outcome == "failed"
    assert result.reply.text in (APOLOGY, f"argh {APOLOGY}"), "the last attempt may die before its word has left it"
    (tmp_path / "go").touch()
    assert await outcomes(pendings) == ["replied"] * 3
    assert second.is_running
    assert second.pid not in [pid for call_sid in [*GOOD, "CAbad"] for pid in began(call_sid)]
    assert await redis_client.hkeys(keys.DEAD_LETTERS) == [b"CAbad/t1"]
    for call_sid in GOOD:
        state = await states.get_state(call_sid)
        assert (state.slots, state.phase) == ({"seen": ["t1"]}, "done")
        assert state.turns[-1].reply.text == "Well. you said wait"
    assert await outcomes([await speak(dispatcher, "CAbad", "hello", "t2")]) == ["replied"]


async def test_a_turn_that_holds_the_interpreters_lock_freezes_no_second_worker(
    start, dispatcher, states, began, tmp_path, redis_client: Redis
) -> None:
    first = start(AGENT_TIMEOUT_SECONDS="60")  # no turn ends before the second worker has started
    pendings, bad = await begin_all(dispatcher, began, tmp_path, "freeze")
    second = start(AGENT_TIMEOUT_SECONDS="8")
    bystander = await speak(dispatcher, "CAother", "hello")
    assert await outcomes([bystander]) == ["replied"]
    (tmp_path / "all").touch()
    await wait_until(lambda: len(began("CAbad")) > 1, "the turn is run again")
    (tmp_path / "go").touch()
    assert await outcomes(pendings) == ["replied"] * 3
    answered = 0
    while bad.result is None:  # the second worker answers all the time
        answered += 1
        assert await outcomes([await speak(dispatcher, f"CAbystander{answered}", "hello")]) == ["replied"]
    assert answered > 2, "the bystanders waited for the frozen turn's deadline"
    assert bad.result.outcome == "timed_out"
    assert b"CAbad/t1" in await redis_client.hkeys(keys.DEAD_LETTERS)
    assert second.pid not in began("CAbad")
    first.kill()


async def test_a_process_agent_runs_apart_streams_and_gives_its_state_back(start, dispatcher, states, began) -> None:
    worker = start("apart")
    result = await (await speak(dispatcher, "CA1", "count", stream=True)).wait(60)
    assert result.reply.text == "".join(f"{n} " for n in range(300)) + "you said count"
    assert await outcomes([await speak(dispatcher, "CA1", "hello", "t2")]) == ["replied"]
    state = await states.get_state("CA1")
    assert (state.slots, state.phase) == ({"seen": ["t1", "t2"]}, "done")
    assert worker.pid not in began("CA1")
    assert len(set(began("CA1"))) == 1, "a process is used again"


async def test_a_process_agent_that_crashes_costs_its_own_turn_alone(
    start, dispatcher, began, tmp_path, redis_client: Redis
) -> None:
    worker = start("apart", AGENT_PROCESSES="5")
    pendings, bad = await begin_all(dispatcher, began, tmp_path, "die")
    (tmp_path / "all").touch()
    assert await outcomes([bad]) == ["failed"]
    (tmp_path / "go").touch()
    assert await outcomes(pendings) == ["replied"] * 3
    assert len(began("CAbad")) == 3
    assert all(len(began(call_sid)) == 1 for call_sid in GOOD)
    assert worker.is_running
    assert await redis_client.hkeys(keys.DEAD_LETTERS) == [b"CAbad/t1"]


async def test_processes_end_with_their_worker(start, dispatcher, began, tmp_path) -> None:
    worker = start("apart")
    (tmp_path / "all").touch()
    await speak(dispatcher, "CA1", "freeze")
    await wait_until(lambda: began("CA1"), "it runs")
    (child,) = began("CA1")
    worker.kill()
    await wait_until(lambda: not alive(child), "the frozen process is gone")


async def test_an_interruption_stops_a_process_agent_and_keeps_what_it_had_changed(
    start, dispatcher, states, began
) -> None:
    worker = start("apart")
    for number in range(1, 6):
        call_sid, killed = f"CA{number}", len(worker.events("agent.process_killed"))
        pending = await speak(dispatcher, call_sid, "wait", stream=True)
        async for _ in pending.tokens():
            break
        interruption = a_turn("t2", call_sid=call_sid, kind="interrupted", text="Well.")
        await submit_by(dispatcher, interruption, deadline_seconds=60)
        assert await outcomes([pending]) == ["interrupted"]
        if len(worker.events("agent.process_killed")) == killed:
            break  # else the machine took longer to tell it than it has
    state = await states.get_state(call_sid)
    assert state.slots == {"seen": ["t1"]}
    assert await outcomes([await speak(dispatcher, call_sid, "hello", "t3")]) == ["replied"]
    assert len(set(began(call_sid))) == 1, "a process that heeds is used again"


async def test_an_agents_error_is_logged_without_its_message(start, dispatcher) -> None:
    for agent in ("answer", "apart"):
        worker = start(agent, LOG_LEVEL="INFO")
        assert await outcomes([await speak(dispatcher, f"CA-{agent}", "raise")]) == ["failed"]
        failed = await asyncio.to_thread(worker.wait_for_event, "agent.failed")
        assert "RuntimeError" in failed["message"]
        assert "poison_agents.py" in failed["where"]
        assert "the caller said" not in worker.log
        worker.kill()


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
