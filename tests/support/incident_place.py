"""The incidents of a Redis, the reports in it, and what looks at them; and turns that were taken from a process."""

from functools import partial

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.conversation.faults import Fault
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.incidents.incident import Incident
from orchestrator.incidents.noticing import Noticing
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.incidents.redis.turn_holder import ingress_that_had
from orchestrator.incidents.watch import IncidentWatch
from orchestrator.processes.redis.reports import read_reports
from orchestrator.redis import incident_keys, keys
from orchestrator.turns.redis.turn_reader import LISTENING_SECONDS
from orchestrator.turns.store import Claim, Lease

LONG_AGO = 3600.0


class Place:
    """The log, the reports in Redis, and what looks at them."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.log = RedisIncidentLog(redis)
        self.reports = partial(read_reports, redis)
        self.erased: set[str] = set()
        self.states: dict[str, ConversationState] = {}
        self.noticing = self.new_noticing(self.log)
        self.watch = self.new_watch()

    async def is_erased(self, call_sid: str) -> bool:
        return call_sid in self.erased

    async def get_state(self, call_sid: str) -> ConversationState | None:
        return self.states.get(call_sid)

    def new_noticing(self, log: RedisIncidentLog) -> Noticing:
        had = partial(ingress_that_had, self.redis)
        return Noticing(log, self.reports, self.is_erased, self.get_state, had, pause_seconds=0)

    async def has_submitted(self, ingress: str, call_sid: str, at: float) -> None:
        """An ingress has submitted a turn of the call, and waits for its reply."""
        listeners = keys.call(call_sid).listeners
        await self.redis.zadd(listeners, {keys.reply_channel(ingress): (at + LISTENING_SECONDS) * 1000})
        await self.redis.expire(listeners, LISTENING_SECONDS)

    def new_watch(self) -> IncidentWatch:
        """Return the watch of a process that has read the reports for a minute."""
        return IncidentWatch(self.log, self.reports, reads_since=clock.now() - 60)

    async def look(self, watch: IncidentWatch | None = None) -> None:
        """Look as a process does whose turn it is."""
        await self.redis.delete(incident_keys.INCIDENT_WATCH)
        await (watch or self.watch).look()

    async def incidents(self) -> list[Incident]:
        return sorted((await self.log.page(100)).incidents, key=lambda it: it.at)

    async def has_told(self, count: int) -> bool:
        return len(await self.incidents()) >= count

    async def all_over(self) -> bool:
        return all(it.until is not None for it in await self.incidents())

    async def told(self) -> list[tuple[str, str]]:
        return [(it.kind, it.process.id if it.process else "") for it in await self.incidents()]


def at_ago(seconds: float) -> float:
    return clock.now() - seconds


def taken_from(process: str, silent_since: float | None, call_sid: str = "CA1") -> tuple[Claim, TurnRecord]:
    turn = Turn(turn_id="t7", call_sid=call_sid, kind="speech", text="my secret words")
    claim = Claim(Lease(call_sid, "bert", 2), turn, None, attempt=2, taken_from=process, silent_since=silent_since)
    record = TurnRecord.of(turn, "replied", Reply(text="an answer"))
    record.attempts, record.absorbed = 2, [Fault(fault="worker_lost", process=process, lost_ms=2345.6)]
    return claim, record
