"""`/dead-letters`: turns that were given up are listed, shown, run again and dropped."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from support.ingress import Ingress, StartIngress

from orchestrator.api_keys.key import new_key
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.probe import probe
from orchestrator.state.redis import RedisStateManager
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letters import RedisDeadLetters

AT = datetime(2026, 11, 27, 8, tzinfo=UTC)
ADMIN, ADMIN_KEY = new_key("office", ["admin"])
READER, READER_KEY = new_key("reader", ["read"])
AS_ADMIN = {"Authorization": f"Bearer {ADMIN}"}
AS_READER = {"Authorization": f"Bearer {READER}"}


@pytest.fixture
async def ingress(redis_client: Redis, start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    """An ingress that knows the dead letters in Redis, and waits a tenth of a second for the reply to a replay."""
    settings = {"api_keys": f"{ADMIN_KEY.entry},{READER_KEY.entry}", "agent_timeout_seconds": 30}
    async with (
        start_ingress(timeouts={"reply_grace": -29.9}, **settings) as ingress,
        Breaker(lambda: probe(redis_client)) as breaker,
    ):
        ingress.runtime.redis, ingress.runtime.breaker = redis_client, breaker
        yield ingress


def a_turn(turn_id: str, **fields: object) -> Turn:
    return Turn(turn_id=turn_id, call_sid="CA1", kind="speech", received_at=AT, **fields)


async def letter(redis: Redis, turn: Turn, minutes: float = 0) -> DeadLetter:
    made = DeadLetter(turn=turn, attempts=4, reason="it crashed", dead_lettered_at=AT + timedelta(minutes=minutes))
    await RedisDeadLetters(redis).put(made)
    return made


async def a_call(redis: Redis, turn: Turn) -> None:
    """A live call in which that turn was given up."""
    states = RedisStateManager(redis, 100)
    state = await states.create_state(turn.call_sid)
    state.turns.append(TurnRecord.of(turn, "failed", Reply(text="Sorry")))
    await states.update_state(state)


async def test_they_come_in_pages_the_newest_first(ingress: Ingress, redis_client: Redis) -> None:
    for number in range(5):
        await letter(redis_client, a_turn(f"turn-{number}", text="hello"), number // 2)  # two at the same moment
    seen, cursor = [], ""
    while True:
        query = {"limit": "2", "cursor": cursor}
        page = (await ingress.client.get("/dead-letters", params=query, headers=AS_ADMIN)).json()
        assert page["count"] == 5
        seen += [it["turn_id"] for it in page["dead_letters"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == ["turn-4", "turn-3", "turn-2", "turn-1", "turn-0"]


@pytest.mark.parametrize("cursor", ["x", "WzEsMl0", "W10", "bnVsbA", "é"])
async def test_a_cursor_that_is_none_is_refused(ingress: Ingress, cursor: str) -> None:
    answer = await ingress.client.get("/dead-letters", params={"cursor": cursor}, headers=AS_ADMIN)
    assert answer.status_code == 422


async def test_one_is_shown_with_its_words_and_numbers_are_whole_for_admin_alone(
    ingress: Ingress, redis_client: Redis
) -> None:
    await letter(redis_client, a_turn("turn-3", text="call +15551235310"))
    shown = (await ingress.client.get("/dead-letters/CA1/turn-3", headers=AS_ADMIN)).json()
    assert shown == {
        "call_sid": "CA1", "turn_id": "turn-3", "kind": "speech", "text": "call +15551235310", "digits": "",
        "attempts": 4, "reason": "it crashed", "received_at": "2026-11-27T08:00:00.000Z",
        "dead_lettered_at": "2026-11-27T08:00:00.000Z", "replayable": True,
    }  # fmt: skip
    for path in ("/dead-letters", "/dead-letters/CA1/turn-3"):
        seen = await ingress.client.get(path, headers=AS_READER)
        assert "call +1555•••5310" in seen.json().get("text", seen.text), path


async def test_what_is_not_there_is_a_problem_of_its_own(ingress: Ingress) -> None:
    path = "/dead-letters/CA1/turn-9"
    for method, target in (("GET", path), ("POST", f"{path}/run"), ("DELETE", path)):
        answer = await ingress.client.request(method, target, headers=AS_ADMIN)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-dead-letter")


async def test_one_is_dropped(ingress: Ingress, redis_client: Redis) -> None:
    await letter(redis_client, a_turn("turn-3"))
    assert (await ingress.client.delete("/dead-letters/CA1/turn-3", headers=AS_READER)).status_code == 403
    assert (await ingress.client.delete("/dead-letters/CA1/turn-3", headers=AS_ADMIN)).status_code == 204
    assert await RedisDeadLetters(redis_client).all() == []


async def test_a_replay_that_nobody_runs_waits_for_a_worker_once(ingress: Ingress, redis_client: Redis) -> None:
    turn = a_turn("turn-3", text="book the table")
    await a_call(redis_client, turn)
    await letter(redis_client, turn)
    for _ in range(2):
        answer = await ingress.client.post("/dead-letters/CA1/turn-3/run", headers=AS_ADMIN)
        assert (answer.status_code, answer.json()["type"]) == (504, "/problems/still-running")
    assert await redis_client.llen(keys.call("CA1").inbox) == 1
    assert len(await RedisDeadLetters(redis_client).all()) == 1


@pytest.mark.parametrize(
    ("fields", "why"), [({}, "is over"), ({"text": "[hidden]", "sensitive": True}, "was sensitive")]
)
async def test_what_cannot_be_run_says_why_and_stays(
    ingress: Ingress, redis_client: Redis, fields: dict[str, object], why: str
) -> None:
    await letter(redis_client, a_turn("turn-3", **fields))
    answer = await ingress.client.post("/dead-letters/CA1/turn-3/run", headers=AS_ADMIN)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-replayable")
    assert why in answer.json()["detail"]
    assert len(await RedisDeadLetters(redis_client).all()) == 1


async def test_without_redis_there_are_none(start_ingress: StartIngress) -> None:
    async with start_ingress() as ingress:
        page = (await ingress.client.get("/dead-letters")).json()
        assert page == {"dead_letters": [], "count": 0, "next_cursor": None}
        assert (await ingress.client.post("/dead-letters/CA1/turn-3/run")).status_code == 404


async def test_while_redis_is_down_nobody_is_told_that_there_are_none(ingress: Ingress) -> None:
    def fail() -> None:
        raise StoreUnavailable

    assert ingress.runtime.breaker is not None
    ingress.runtime.breaker.guard = fail  # type: ignore[method-assign, assignment]
    answer = await ingress.client.get("/dead-letters", headers=AS_ADMIN)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
