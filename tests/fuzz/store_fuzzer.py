"""All that works on a call in Redis, one after the other, with a wrong value under it."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fuzz.mutation import Mutator
from redis.asyncio import Redis

from orchestrator.conversation.actions import HangUp, SetTimer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import StoreUnavailable, VoiceAgentError
from orchestrator.event_types import EVENT_TYPES
from orchestrator.events.call_events import CallEvents
from orchestrator.events.listing import Wanted, find_page
from orchestrator.fleet_metrics.redis.reading import read_fleet
from orchestrator.health.redis import read_system_status
from orchestrator.health.workers import list_workers
from orchestrator.idempotency.redis import RedisIdempotencyStore
from orchestrator.redis import keys
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Claim

CALL, OTHER = "CA1", "CAother"
WORKER_CHANNEL = keys.control_channel("anna")
EVENTS = CallEvents(frozenset(EVENT_TYPES), ("file",), "agent", "v1")
INFINITE = (0.0, -1.0, 1.5, 1e300, float("inf"), float("-inf"))
MARKS = b"PR"
"""What stands before a waiting turn and a result."""


class StoreFuzzer:
    """Damages what lies in the Redis of `redis`, which is emptied before each input.

    Somebody should listen on `WORKER_CHANNEL`: calls are pushed to that worker.
    """

    def __init__(self, redis: Redis, seed: object) -> None:
        self._redis: Any = redis
        self._random = random.Random(f"{seed}")
        self._seed = seed
        self._count = 0
        self.store = RedisTurnStore(
            redis, ttl_seconds=100, lease_seconds=3600, listener="here", events=EVENTS, sinks=("file",), push=True
        )
        self.states = RedisStateManager(redis, 100)
        self._records = RedisIdempotencyStore(redis)
        self._operations: dict[str, Callable[[], Awaitable[object]]] = {
            "submit": lambda: self.store.submit(a_turn("t8"), opening={"channel": "api"}),
            "claim": self._claim,
            "find": lambda: self.store.find(CALL, "t1"),
            "waiting": lambda: self.store.waiting(CALL),
            "reject": lambda: self.store.reject(CALL, "t2"),
            "state": lambda: self.states.get_state(CALL),
            "calls": self.states.get_all_call_sids,
            "clean up": self.states.cleanup_expired,
            "rescue": self.store.call_queue.rescue,
            "dead letters": self.store.dead_letters,
            "delivery": self._delivery,
            "events": lambda: find_page(self.store.outbox, Wanted()),
            "survey": self.store.outbox.survey,
            "retry": lambda: self.store.outbox.retry(CALL, "file"),
            "replay": lambda: self.store.outbox.replay(CALL, 1, "file"),
            "drop": lambda: self.store.outbox.drop(CALL, 2, "file"),
            "stopped sinks": self.store.outbox.stopped_sinks,
            "open call": lambda: self.store.outbox.unended(CALL),
            "agenda": self.store.outbox.due,
            "schedule": lambda: self.store.schedule.claim(CALL, "anna", {"timer": 5, "activity": 5, "message": 5}),
            "due schedules": self.store.schedule.due,
            "status": lambda: read_system_status(redis),
            "workers": lambda: list_workers(redis),
            "fleet": lambda: read_fleet(redis),
            "receipt": lambda: self._records.claim("order-1", "same"),
        }

    async def wrong_with_next(self) -> str:
        """Damage a value of a call amid its life, and do everything with it. Return what is wrong; "" if nothing is."""
        claim = await self._live()
        return await self._wrong_after(await self._damage(), claim)

    async def wrong_with(self, kept: bytes) -> str:
        """Do the same with a field of a hash as the corpus keeps it: lines with its key and its name, and its value."""
        key, name, value = kept.split(b"\n", 2)
        claim = await self._live()
        await self._redis.hset(key, name.decode("unicode_escape").encode("latin-1"), value)
        await self._redis.expire(key, 100)
        return await self._wrong_after(f"{key!r} {name!r}", claim)

    async def _wrong_after(self, done: str, claim: Claim | None) -> str:
        for name in self._random.sample(sorted(self._operations), len(self._operations)):
            if wrong := await self._wrong_with(name, self._operations[name]):
                return f"{done}: {wrong}"
        if wrong := await self._wrong_with_another():
            return f"{done}: {wrong}"
        if claim is not None and (wrong := await self._wrong_with("commit", lambda: self._commit(claim))):
            return f"{done}: {wrong}"
        return await self._wrong_with("erase", lambda: self.store.erase(CALL))

    async def _wrong_with_another(self) -> str:
        """Return why another call cannot live; "" if it can."""
        try:
            for turn_id in ("t1", "t2"):
                await self.store.submit(a_turn(turn_id, OTHER), opening={"channel": "api"})
            claim = await self.store.claim(OTHER, "bert")
            if claim is not None:  # else it was pushed to the worker
                await self._commit(claim)
                assert await self.store.find(OTHER, "t1") is not None
        except Exception as error:
            return f"another call: {error!r} because of {error.__cause__ or error.__context__!r}"
        return ""

    async def _wrong_with(self, name: str, operation: Callable[[], Awaitable[object]]) -> str:
        try:
            await operation()
        except StoreUnavailable as error:  # the server is there: a script has failed
            return f"{name}: {error!r} because of {error.__cause__ or error.__context__!r}"
        except VoiceAgentError:
            return ""
        except Exception as error:
            return f"{name} raised {error!r}"
        return ""

    async def _live(self) -> Claim | None:
        """Have a call with a turn that is answered, one that runs and two that wait. Return the claim of the second."""
        await self._redis.flushall()
        await self.store.submit(a_turn("t1"), opening={"channel": "gather", "from_number": "+15551230000"})
        first = await self.store.claim(CALL, "anna")
        assert first is not None
        await self._commit(first, ends=False)
        for turn_id in ("t2", "t3", "t4"):
            await self.store.submit(a_turn(turn_id), opening={"channel": "gather"})
        await self._redis.set(keys.worker_status("anna"), b'{"id":"anna","turns":[]}', ex=100)
        await self._redis.zadd(keys.WORKERS, {"anna": 9e12})
        await self._redis.zadd(keys.worker_room(), {"anna": 5.0})
        await self._redis.hset(keys.worker_presence("anna"), mapping={"version": "v1", "pin": "", "pushed": 1})
        await self._redis.hset(keys.FLEET_COUNTS, mapping={'["turns",{},"count"]': "5", "began": "1"})
        for name in (keys.WORKERS, keys.worker_room(), keys.worker_presence("anna"), keys.FLEET_COUNTS):
            await self._redis.expire(name, 100)
        await self._records.claim("order-1", "same")
        return await self.store.claim(CALL, "anna") if self._random.random() < 0.5 else None

    async def _commit(self, claim: Claim, *, ends: bool | None = None) -> None:
        state: ConversationState | None = claim.state
        if state is None:
            return
        ends = self._random.random() < 0.2 if ends is None else ends
        actions = [SetTimer("later", 0, {"a": 1}), *([HangUp()] if ends else [])]
        record = TurnRecord.of(claim.turn, "replied", Reply(text="yes", actions=actions), epoch=claim.lease.epoch)
        await self.store.commit(claim, outcomes.committed_state(state, None, record), record)

    async def _claim(self) -> None:
        claim = await self.store.claim(CALL, "bert")
        if claim is not None:
            with suppress(VoiceAgentError):
                await self._commit(claim)

    async def _delivery(self) -> None:
        delivery = await self.store.outbox.claim(CALL, "anna")
        if delivery is not None:
            await self.store.outbox.renew([delivery.lease])
            await self.store.outbox.release(delivery.lease)

    async def _damage(self) -> str:
        """Replace one value. Return what was done."""
        names = sorted(await self._redis.keys("*"))
        name = self._random.choice([name for name in names if b"state:" in name] * 3 + names)
        kind = (await self._redis.type(name)).decode()
        what: bytes | float
        match kind:
            case "string":
                what = self._mutated(await self._redis.get(name))
                await self._redis.set(name, what, ex=100)
            case "hash":
                fields = await self._redis.hgetall(name)
                field = self._random.choice(sorted(fields))
                mark = fields[field][:1] if fields[field][:1] in MARKS and self._random.random() < 0.9 else b""
                what = mark + self._mutated(fields[field].removeprefix(mark))
                await self._redis.hset(name, field if self._random.random() < 0.9 else self._mutated(field), what)
                return f"{name!r} {field!r}: {what[:1000]!r}"
            case "list":
                what = self._mutated(await self._redis.lindex(name, 0))
                await self._redis.lset(name, 0, what)
            case "zset":
                member = self._random.choice(await self._redis.zrange(name, 0, -1))
                what = self._random.choice(INFINITE)
                await self._redis.zadd(name, {self._random.choice((member, self._mutated(member))): what})
            case _:
                return "nothing"
        return f"{name!r}: {what if isinstance(what, float) else what[:1000]!r}"

    def _mutated(self, value: bytes) -> bytes:
        self._count += 1
        return Mutator(f"{self._seed} {self._count}", [value]).next()[:20_000]
