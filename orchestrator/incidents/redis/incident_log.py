"""`RedisIncidentLog`: the incidents that all processes of a deployment share."""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast
from uuid import uuid4

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.incidents.cause import time_of_page, with_causes
from orchestrator.incidents.incident import KEPT_SECONDS, REDIS, Incident, IncidentPage, Noticed, Report
from orchestrator.incidents.incident_log import LONGEST_GAP_SECONDS, MOST_LOOSE, Known
from orchestrator.incidents.message import SUSPECTED
from orchestrator.incidents.redis.reading import known_of, noticed_in, read_incident, stored_noticed
from orchestrator.incidents.redis.scripts import keep_findings, note_incident, note_noticed
from orchestrator.redis import incident_keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.script_runner import ScriptRunner

LONGEST_DETAIL = 400
REDIS_TOUCHES_SECONDS = 2.0
"""Processes notice one and the same outage, and its end, at different times."""
SHARED = (incident_keys.INCIDENT_TIMES, incident_keys.INCIDENT_SUBJECTS, incident_keys.LOOSE_NOTICES)


class RedisIncidentLog:
    """An `IncidentLog`. `guard` is the breaker's."""

    def __init__(self, redis: Redis, guard: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._redis = redis
        self._guard = guard
        self._scripts = ScriptRunner(redis)

    async def report(self, report: Report) -> str:
        """Note what was seen; see `IncidentLog`."""
        process = None if report.process is None else report.process.described()
        call = note_incident(
            subject=report.subject,
            new_id=uuid4().hex[:12],
            kind=report.kind,
            about=json.dumps({"detail": report.detail[:LONGEST_DETAIL], "process": process}),
            at=report.at,
            until=report.until,
            is_sure=report.detail != SUSPECTED,
            touch_seconds=REDIS_TOUCHES_SECONDS if report.subject == REDIS else 0.0,
            now=clock.now(),
        )
        with self._guard(), store_errors():
            return await self._scripts.run(call)

    async def latest(self, subject: str) -> Known | None:
        """Return what is known of the latest incident of this subject; see `IncidentLog`."""

        async def read() -> tuple[str, float | None, str]:
            found = await cast(Awaitable[Any], self._redis.hget(incident_keys.INCIDENT_SUBJECTS, subject))
            incident_id, _, over = text_of(found or b"").partition("|")
            at = await self._redis.zscore(incident_keys.INCIDENT_TIMES, incident_id) if incident_id else None
            return incident_id, at, over

        with self._guard(), store_errors():
            return known_of(*await with_sound_keys(self._redis, SHARED, read))

    async def open_among(self, subjects: Sequence[str]) -> dict[str, Known]:
        """Return the latest incidents of these subjects, as far as they are not over; see `IncidentLog`."""
        if not subjects:
            return {}

        async def read() -> list[Any]:
            return await cast(Awaitable[list[Any]], self._redis.hmget(incident_keys.INCIDENT_SUBJECTS, list(subjects)))

        with self._guard(), store_errors():
            found = await with_sound_keys(self._redis, SHARED, read)
            named = zip(subjects, [text_of(each or b"").partition("|") for each in found], strict=True)
            ids = {subject: incident_id for subject, (incident_id, _, over) in named if incident_id and not over}
            if not ids:
                return {}
            async with self._redis.pipeline(transaction=False) as pipe:
                for incident_id in ids.values():
                    pipe.zscore(incident_keys.INCIDENT_TIMES, incident_id)
                times = await pipe.execute()
        known = {
            subject: known_of(incident_id, at, "")
            for (subject, incident_id), at in zip(ids.items(), times, strict=True)
        }
        return {subject: it for subject, it in known.items() if it is not None}

    async def is_first(self, seconds: float) -> bool:
        """Return True unless another process was the first lately; see `IncidentLog`."""
        with self._guard(), store_errors():
            return bool(await self._redis.set(incident_keys.INCIDENT_WATCH, 1, nx=True, px=max(int(seconds * 1000), 1)))

    async def note(self, noticed: Sequence[Noticed], incident_id: str = "") -> None:
        """Note which calls have noticed an incident; see `IncidentLog`."""
        if not noticed:
            return
        if not incident_id:
            await self._note_loose(noticed)
            return
        with self._guard(), store_errors():
            for each in noticed:
                text = stored_noticed(each)
                await self._scripts.run(note_noticed(incident_id=incident_id, name=each.name, noticed=text, ms=each.ms))

    async def _note_loose(self, noticed: Sequence[Noticed]) -> None:
        async def write() -> None:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.rpush(incident_keys.LOOSE_NOTICES, *map(stored_noticed, noticed))
                pipe.ltrim(incident_keys.LOOSE_NOTICES, -MOST_LOOSE, -1)
                pipe.expire(incident_keys.LOOSE_NOTICES, KEPT_SECONDS)
                await pipe.execute()

        with self._guard(), store_errors():
            await with_sound_keys(self._redis, SHARED, write)

    async def page(self, limit: int, before: str = "") -> IncidentPage:
        """Return the latest incidents; see `IncidentLog`."""
        since = clock.now() - KEPT_SECONDS

        async def read() -> tuple[list[tuple[bytes, float]], list[bytes]]:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zrangebyscore(incident_keys.INCIDENT_TIMES, since, "+inf", withscores=True)
                pipe.lrange(incident_keys.LOOSE_NOTICES, 0, -1)
                ids, loose = await pipe.execute()
            return ids, loose

        with self._guard(), store_errors():
            named, texts = await with_sound_keys(self._redis, SHARED, read)
            times = {text_of(name): at for name, at in reversed(named)}
            page = IncidentPage.of(list(times), limit, before)
            found = await self._incidents(page.ids)
        its_time = time_of_page(times, page.ids, before, clock.now())
        return page.filled(*with_causes(found, noticed_in(texts), *its_time))

    async def _incidents(self, ids: Sequence[str]) -> list[Incident]:
        if not ids:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for incident_id in ids:
                pipe.hgetall(incident_keys.incident(incident_id))
                pipe.hgetall(incident_keys.noticed(incident_id))
            found = await pipe.execute(raise_on_error=False)
        pairs = zip(ids, found[::2], found[1::2], strict=True)
        return [it for each in pairs if (it := read_incident(*each)) is not None]

    async def findings_since(self, ids: Sequence[str]) -> list[float]:
        """Return since when each finding is there; see `IncidentLog`."""
        with self._guard(), store_errors():
            return await self._scripts.run(keep_findings(ids=ids, now=clock.now(), gap=LONGEST_GAP_SECONDS))

    async def erase(self, call_sid: str) -> None:
        """Delete what the call has noticed; see `IncidentLog`."""

        async def erase() -> None:
            names = await self._redis.zrange(incident_keys.INCIDENT_TIMES, 0, -1)
            for key in [incident_keys.noticed(text_of(name)) for name in names]:
                fields = [text_of(each) for each in await cast(Awaitable[dict[bytes, bytes]], self._redis.hgetall(key))]
                if own := [each for each in fields if each.startswith(f"{call_sid}/")]:
                    await cast(Awaitable[int], self._redis.hdel(key, *own))
            loose = await cast(Awaitable[list[bytes]], self._redis.lrange(incident_keys.LOOSE_NOTICES, 0, -1))
            for text in map(text_of, loose):
                if any(each.call_sid == call_sid for each in noticed_in([text])):
                    await cast(Awaitable[int], self._redis.lrem(incident_keys.LOOSE_NOTICES, 0, text))

        with self._guard(), store_errors():
            await with_sound_keys(self._redis, SHARED, erase)
