"""Calls that were abandoned are ended, and undelivered events are counted, by cron jobs."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.events.outbox_report import read_report
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import an_event, announcement, head_of
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.redis.store import RedisTurnStore
from workers.cron import cron_jobs, earlier_jobs, end_abandoned, keep_house, survey_events


class Calls:
    """Calls in Redis that live for `life` seconds, and what the cron job asks for."""

    def __init__(self, redis: Redis, life: int) -> None:
        self._redis, self._life = redis, life
        self._states = RedisStateManager(redis, life)
        self.store = RedisTurnStore(redis, ttl_seconds=life)
        self.read: list[str] = []

    async def silent_for(self, call_sid: str, seconds: float, *, transferred: bool = False) -> None:
        reply = Reply(actions=[Transfer("+15550001111")] if transferred else [])
        record = TurnRecord.of(a_turn("t1", call_sid), "replied", reply)
        record.committed_at = utc_now() - timedelta(seconds=seconds)
        state = await self._states.create_state(call_sid, turns=[record])
        state.updated_at = utc_now() - timedelta(seconds=seconds)
        await self._redis.set(keys.state(call_sid), state.model_dump_json(), ex=self._life)
        await self._redis.zincrby(keys.ACTIVE_CALLS, -seconds, call_sid)

    async def end_abandoned(self) -> list[str]:
        await end_abandoned({"runtime": SimpleNamespace(store=self.store, states=self)})
        waiting = {sid: await self.store.waiting(sid) for sid in await self._states.get_all_call_sids()}
        return sorted(call_sid for call_sid, turns in waiting.items() if turns == ["ended"])

    async def get_state(self, call_sid: str) -> ConversationState | None:
        self.read.append(call_sid)
        return await self._states.get_state(call_sid)


@pytest.fixture
def calls(redis_client: Redis) -> Any:
    return lambda life: Calls(redis_client, life)


@pytest.mark.parametrize(("life", "silent", "lively"), [(3600, 901, 890), (100, 51, 45)])
async def test_a_call_is_ended_before_its_state_expires(calls, life: int, silent: int, lively: int) -> None:
    some: Calls = calls(life)
    await some.silent_for("CA1", silent)
    await some.silent_for("CA2", lively)
    assert await some.end_abandoned() == ["CA1"]
    assert some.read == ["CA1"], "a call that is written to costs nothing"


async def test_a_caller_who_talks_with_a_person_is_not_taken_for_gone(calls) -> None:
    some: Calls = calls(3600)
    await some.silent_for("CA1", 3000, transferred=True)
    await some.silent_for("CA2", 3500, transferred=True)
    assert await some.end_abandoned() == ["CA2"]


async def test_a_call_that_cannot_be_read_keeps_no_other_from_its_end(calls, redis_client: Redis) -> None:
    some: Calls = calls(3600)
    await some.silent_for("CA1", 1200)
    await some.silent_for("CA2", 1000)
    await redis_client.set(keys.state("CA1"), "garbage", ex=60)
    assert await some.end_abandoned() == ["CA2"]


async def test_undelivered_events_are_reported_for_a_while(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=100, sinks=("file",))
    state = await RedisStateManager(redis_client, 100).create_state("CA1")
    await store.outbox.accept(announcement(head_of(state), an_event("a"), an_event("b")))
    await survey_events({"runtime": SimpleNamespace(store=store), "settings": Settings(events_max_bytes=5_000_000)})
    report = read_report(await redis_client.get(keys.OUTBOX_REPORT))
    assert report is not None
    assert (report.calls, report.events, report.sinks["file"].pending, report.max_bytes) == (1, 2, 2, 5_000_000)
    assert 0 < await redis_client.ttl(keys.OUTBOX_REPORT) <= keys.OUTBOX_REPORT_SECONDS


@pytest.mark.parametrize(("settings", "is_surveyed"), [({}, False), ({"events_file": "events.jsonl"}, True)])
def test_without_sinks_nothing_is_surveyed(settings: Any, is_surveyed: bool) -> None:
    jobs = [job.name for job in cron_jobs(Settings(**settings))]
    assert ("cron:survey_events" in jobs) == is_surveyed


async def test_a_survey_while_redis_is_down_fails_no_job() -> None:
    async with connect(Settings(redis_url="redis://127.0.0.1:1/0")) as redis:
        store = RedisTurnStore(redis, ttl_seconds=100, sinks=("file",))
        await survey_events({"runtime": SimpleNamespace(store=store), "settings": Settings()})


@pytest.mark.parametrize(("second", "cleans_up"), [(20, True), (50, False)])
async def test_abandoned_calls_are_ended_twice_a_minute_and_the_indexes_are_cleaned_up_once(
    calls, redis_client: Redis, second: int, cleans_up: bool
) -> None:
    some: Calls = calls(100)
    await some.silent_for("CA1", 51)
    await redis_client.zadd(keys.ACTIVE_CALLS, {"CA-expired": 1.0})
    runtime = SimpleNamespace(store=some.store, states=RedisStateManager(redis_client, 100))
    await keep_house({"runtime": runtime, "score": 1_700_000_000_000 // 60_000 * 60_000 + 1000 * second})
    assert await some.store.waiting("CA1") == ["ended"]
    assert (await redis_client.zscore(keys.ACTIVE_CALLS, "CA-expired") is None) == cleans_up


async def test_what_fails_of_the_housekeeping_does_not_keep_the_rest_from_being_done(
    calls, redis_client: Redis
) -> None:
    some: Calls = calls(100)
    await some.silent_for("CA1", 51)
    states: Any = SimpleNamespace(cleanup_expired=_fail, get_state=some.get_state)
    with pytest.raises(ValueError, match="a state manager of the user's"):
        await keep_house({"runtime": SimpleNamespace(store=some.store, states=states), "score": 20_000})
    assert await some.store.waiting("CA1") == ["ended"]


async def _fail() -> int:
    raise ValueError("a state manager of the user's")


def test_a_worker_runs_what_workers_of_an_earlier_version_queue(redis_url: str) -> None:
    names = {job.name for job in (*cron_jobs(Settings()), *earlier_jobs())}
    assert {"cron:end_abandoned", "cron:clean_up"} <= names
