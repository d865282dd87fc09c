"""What the commits of turns write into the schedules of their calls, and what follows from it."""

from collections.abc import Callable

from orchestrator import clock
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.redis.keys import ShardKeys
from orchestrator.schedule.effects import ScheduleChanges, changes_of
from orchestrator.schedule.redis.schedule import RedisSchedule
from orchestrator.schedule.redis.scripts import UNCHANGED, Scheduled, change_args, schedule_keys
from orchestrator.turns.store import Claim

LOOKED_SECONDS = 1.0
"""A call at which this process has just looked is found by its watch later than that."""


class Scheduling:
    """Makes what commits write into `schedule`; nothing, if a turn changes nothing in it.

    `look_now` gets the SID of a call that has something due at once, after a commit of this process; None in one that
    carries nothing out.
    """

    def __init__(self, schedule: RedisSchedule) -> None:
        self._schedule = schedule
        self.look_now: Callable[[str], None] | None = None

    def changes(
        self, claim: Claim, state: ConversationState | None, record: TurnRecord, *, is_recorded: bool
    ) -> ScheduleChanges:
        """Return what the commit of `state`, which holds `record`, changes.

        A record that was stored before may have been written without its schedule, where the states are kept
        elsewhere: what it added is written again, which changes nothing if it is there.
        """
        is_base = state is not None and claim.state is not None and claim.state.version == state.version - 1
        before = claim.state if is_base and not is_recorded else None
        return changes_of(before, state, record)

    async def before_commit(
        self, call_sid: str, changes: ScheduleChanges, keep_ms: int, shard: ShardKeys | None
    ) -> Scheduled:
        """Return what the script writes. In a cluster, have somebody look at the call whatever happens."""
        if not changes:
            return UNCHANGED
        if changes.added:
            await self._schedule.index.mark_before(call_sid, changes)
        args = change_args(changes, keep_ms, self._schedule.cipher)
        return Scheduled(schedule_keys(call_sid, shard), args)

    async def after_commit(self, call_sid: str, changes: ScheduleChanges) -> None:
        """Have what is due at once carried out, and in a cluster note when the rest is due."""
        if not changes.added:
            return
        not_before = 0.0
        if self.look_now is not None and min(item.due_at for item in changes.added) <= clock.utc_now():
            self.look_now(call_sid)
            not_before = clock.now() + LOOKED_SECONDS
        await self._schedule.written(call_sid, changes, not_before=not_before)
