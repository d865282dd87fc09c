"""`voiceagent dead`: dead letters are listed, shown, replayed and discarded."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support import module_process
from support.module_process import Process
from support.terminal import environment, run_script

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.redis import keys
from orchestrator.state.redis import RedisStateManager
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letters import RedisDeadLetters

pytestmark = pytest.mark.processes

DEADLY = Turn(turn_id="turn-3", call_sid="CA1", kind="speech", text="book the table for nine")
AGENT = """
from orchestrator.conversation.actions import HangUp

async def answer(turn, state):
    state.slots["booked_with"] = turn.idempotency_key
    if turn.text == "fail again":
        raise RuntimeError
    yield f"Booked: {turn.text}."
    yield HangUp()
"""


@pytest.fixture
def redis_url(each_redis_url: str) -> str:
    return each_redis_url


@pytest.fixture
def redis_client(each_redis_client: Redis) -> Redis:
    return each_redis_client


@pytest.fixture
async def box(redis_client) -> RedisDeadLetters:
    return RedisDeadLetters(redis_client)


@pytest.fixture
def dead(redis_url: str, tmp_path: Path):
    """`voiceagent dead ARGUMENTS`: exit code, output, errors."""

    async def dead(*arguments: str) -> tuple[int, str, str]:
        return await run_script(
            "dead", *arguments, cwd=tmp_path, settings={"USE_REDIS": "true", "REDIS_URL": redis_url}
        )

    return dead


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Start a worker that runs `AGENT`."""
    started: list[Process] = []
    (tmp_path / "table.py").write_text(AGENT)

    def start() -> None:
        settings = environment(USE_REDIS="true", REDIS_URL=redis_url, AGENT="table:answer")
        started.append(module_process.start("workers", directory=tmp_path, environment=settings))

    yield start
    for process in started:
        process.terminate()
        process.wait(60)


async def a_failed_turn(client, **letter) -> DeadLetter:
    """A live call with a dead letter, as the worker leaves it."""
    states = RedisStateManager(client, 100)
    state = await states.create_state("CA1")
    state.turns.append(TurnRecord.of(DEADLY, "failed", Reply(text="Sorry")))
    await states.update_state(state)
    made = DeadLetter(turn=DEADLY, attempts=4, reason="its worker was lost 3 times while it ran", **letter)
    await RedisDeadLetters(client).put(made)
    return made


async def test_where_none_was_given_up_it_says_so(dead) -> None:
    assert await dead() == (0, "There are no dead letters.\n", "")


async def test_they_are_listed_and_shown(dead, redis_client) -> None:
    await a_failed_turn(redis_client)
    code, output, _ = await dead()
    heading, row = output.splitlines()
    assert (code, heading.split()) == (0, ["TURN", "KIND", "AGO", "ATTEMPTS", "SAID"])
    assert row.startswith("CA1/turn-3  speech")
    assert row.endswith("4         book the table for nine")
    code, output, _ = await dead("show", "CA1")
    assert code == 0
    assert "its worker was lost 3 times" in output
    assert "call_sid=CA1 turn_id=turn-3" in output


async def test_what_is_no_letter_hides_no_other(dead, redis_client) -> None:
    await a_failed_turn(redis_client)
    await redis_client.hset(keys.DEAD_LETTERS, "CA9/x", "rubbish")
    code, output, _ = await dead()
    assert code == 0
    assert "CA1/turn-3" in output


async def test_one_that_is_not_there_is_refused_with_a_sentence(dead, redis_client, box) -> None:
    await a_failed_turn(redis_client)
    await box.put(DeadLetter(turn=DEADLY.model_copy(update={"turn_id": "turn-5"}), attempts=4, reason="again"))
    for arguments, sentence in (
        (["show", "CA2"], "There is no dead letter CA2"),
        (["replay"], "Say which turn"),
        (["show", "CA1"], "has several: CA1/turn-5, CA1/turn-3"),
    ):
        code, _, errors = await dead(*arguments)
        assert code == 1
        assert sentence in errors


async def test_a_replay_answers_under_the_key_of_the_first_turn_and_ends_the_letter(
    dead, redis_client, box, worker
) -> None:
    await a_failed_turn(redis_client)
    worker()
    code, output, errors = await dead("replay", "CA1/turn-3")
    assert (code, errors) == (0, "")
    assert output.splitlines()[0] == "replied: Booked: book the table for nine."
    assert "HangUp" in output
    state = await RedisStateManager(redis_client).get_state("CA1")
    first, again = state.turns
    assert (first.turn_id, first.reply.text) == ("turn-3", "Sorry")
    assert again.turn_id.startswith("replay-")
    assert state.slots["booked_with"] == "CA1/turn-3"
    assert again.reply.actions == [HangUp()]
    assert await box.all() == []


async def test_a_replay_that_fails_keeps_the_letter_and_can_be_tried_again(dead, redis_client, box, worker) -> None:
    letter = await a_failed_turn(redis_client)
    await box.put(letter.model_copy(update={"turn": DEADLY.model_copy(update={"text": "fail again"})}))
    worker()
    for _ in range(2):
        code, output, _ = await dead("replay", "CA1")
        assert code == 1
        assert output.startswith("failed: ")
    (kept,) = await box.all()
    assert kept.key == "CA1/turn-3"
    state = await RedisStateManager(redis_client).get_state("CA1")
    assert [record.outcome for record in state.turns] == ["failed", "failed", "failed"]


async def test_a_replay_that_nobody_runs_is_told_and_may_be_asked_for_again(dead, redis_client) -> None:
    await a_failed_turn(redis_client)
    for _ in range(2):
        code, output, _ = await dead("replay", "CA1", "--timeout", "0.3")
        assert code == 1
        assert "Is a worker alive?" in output
    assert await redis_client.llen(keys.call("CA1").inbox) == 1


async def test_a_call_that_is_over_takes_no_replay(dead, redis_client, box) -> None:
    await box.put(DeadLetter(turn=DEADLY, attempts=4, reason="its worker was lost"))
    code, _, errors = await dead("replay", "CA1/turn-3")
    assert code == 1
    assert "is over" in errors
    assert await dead("discard", "CA1/turn-3") == (0, "CA1/turn-3 was thrown away.\n", "")
    assert await box.all() == []


async def test_a_sensitive_turn_takes_no_replay(dead, redis_client, box) -> None:
    hidden = DEADLY.model_copy(update={"text": "[hidden]", "sensitive": True})
    await box.put(DeadLetter(turn=hidden, attempts=4, reason="its worker was lost"))
    code, _, errors = await dead("replay", "CA1/turn-3")
    assert code == 1
    assert "was sensitive" in errors
    assert len(await box.all()) == 1


def test_a_stored_letter_keeps_the_names_of_its_fields() -> None:
    letter = DeadLetter(turn=DEADLY, attempts=2, reason="why")
    stored = json.loads(letter.model_dump_json())
    assert set(stored) == {"turn", "attempts", "reason", "buried_at"}
    assert DeadLetter.model_validate_json(json.dumps(stored)) == letter


def test_the_id_of_a_replay_follows_from_when_it_was_dead_lettered() -> None:
    letter = DeadLetter(turn=DEADLY, attempts=4, reason="it crashed")
    first = letter.replay()
    assert first.turn_id == letter.replay().turn_id
    later = DeadLetter(turn=first, attempts=4, reason="it crashed again")
    assert later.key == letter.key == "CA1/turn-3"
    assert later.replay().turn_id.endswith("-turn-3")
    assert later.replay().turn_id != first.turn_id
    longest = DEADLY.model_copy(update={"turn_id": "t" * 256})
    assert len(DeadLetter(turn=longest, attempts=4, reason="").replay().turn_id) == 256


async def test_what_a_caller_said_does_not_control_the_terminal(dead, box) -> None:
    await box.put(DeadLetter(turn=DEADLY.model_copy(update={"text": "clear\x1b[2J it"}), attempts=4, reason="\x9b2J"))
    for arguments in ([], ["show", "CA1"], ["--json"], ["show", "CA1", "--json"]):
        _, output, _ = await dead(*arguments)
        assert not [letter for letter in output if not letter.isprintable() and letter != "\n"]
        assert "clear" in output


async def test_programs_get_json(dead, redis_client, box) -> None:
    await a_failed_turn(redis_client)
    await box.put(
        DeadLetter(turn=DEADLY.model_copy(update={"turn_id": "t4", "text": "+15551235310"}), attempts=4, reason="r")
    )
    _, output, _ = await dead("--json")
    listed = json.loads(output)["dead_letters"]
    assert [(it["turn_id"], it["text"]) for it in listed] == [("t4", "+1555•••5310"), ("turn-3", DEADLY.text)]
    _, output, _ = await dead("show", "CA1/t4", "--json")
    assert json.loads(output)["text"] == "+15551235310", "whole, as without --json"
    code, output, _ = await dead("replay", "CA1/turn-3", "--json", "--timeout", "0.3")
    assert (code, json.loads(output)) == (1, {"replayed": "CA1/turn-3", "outcome": None, "reply": None})
    code, output, _ = await dead("discard", "CA1/turn-3", "--json")
    assert (code, json.loads(output)) == (0, {"discarded": "CA1/turn-3"})
