"""Claims jobs for a worker, and tells submits in the same step how much room the worker has left."""

from orchestrator.redis import keys
from orchestrator.redis.commands import sender_for
from orchestrator.redis.damage import set_aside
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns.redis.lane import NO_TAKER, NOTHING_RUNS, Running, Taker
from orchestrator.turns.redis.lease_scripts import ClaimedJobs, RoomReport, claim_jobs, report_room


class JobClaims:
    """Claims under leases of `lease_ms`, whose records are kept for `lease_record_ms`.

    `has_calls` says that the calls lie on the server of their queue. `room` is the sorted set of the workers to which
    submits push grants; None: they push none. `taker` says which lanes this worker takes from.
    """

    def __init__(
        self,
        connection: StoreConnection,
        *,
        lease_ms: int,
        lease_record_ms: int,
        has_calls: bool,
        room: str | None,
        taker: Taker = NO_TAKER,
    ) -> None:
        self.taker = taker
        self.room = room
        self._connection = connection
        self._send = sender_for(connection.redis)
        self._lease_ms = lease_ms
        self._lease_record_ms = lease_record_ms
        self._has_calls = has_calls

    async def claim(
        self,
        shard: ShardKeys,
        *,
        holder: str,
        most: int,
        look_at: int,
        in_progress_ms: int,
        received: int | None = None,
        running: Running = NOTHING_RUNS,
    ) -> ClaimedJobs:
        """Claim up to `most` of the first `look_at` jobs of a queue; a job of arq's own for `in_progress_ms`.

        Open each grant by `claims.open`. In a cluster the calls are only named: `claim` each. Raise what Redis raises.

        A worker that can be pushed grants says how many it has `received`: what is left of `most` is its room for
        more, until it says something else or has been silent for a while. `running` are the turns that it runs.
        """
        room = self.room if received is not None else None
        reply = await self._connection.scripts.run(
            claim_jobs(
                shard=shard,
                has_calls=self._has_calls,
                most=most,
                look_at=look_at,
                in_progress_ms=in_progress_ms,
                holder=holder,
                lease_ms=self._lease_ms,
                lease_record_ms=self._lease_record_ms,
                on_approval=self._connection.is_confirmed,
                room=room,
                received=received or 0,
                taker=self.taker,
                running=running,
            )
        )
        if room is not None and reply.pushed is None:
            await self._set_aside(room, holder)
        return reply

    async def report(self, shard: ShardKeys, *, holder: str, free: int, received: int) -> RoomReport:
        """Say how much room `holder` has, and look whether a job is due: what a claim that finds none does, for less.

        Only where there is `room`. Raise what Redis raises.
        """
        assert self.room is not None
        call = report_room(shard=shard, room=self.room, holder=holder, free=free, received=received, taker=self.taker)
        reply = await self._connection.scripts.run(call)
        if reply.pushed is None:
            await self._set_aside(self.room, holder)
        return reply

    async def touch(self, holder: str) -> bool:
        """Say that `holder` lives, and has the room that it said last. Return False if Redis does not know that.

        Only where there is `room`. Raise what Redis raises.
        """
        return bool(await self._send("PEXPIRE", keys.worker_presence(holder), keys.PRESENCE_MS))

    async def _set_aside(self, room: str, holder: str) -> None:
        """Rename the keys in which Redis could not note the room, if they have the wrong type: it may also be full."""
        await set_aside(self._connection.redis.execute_command, [room, keys.worker_presence(holder)])

    async def leave(self, holder: str) -> None:
        """Let no more grants be pushed to `holder`. What was pushed before may still come."""
        if self.room is not None:
            await self._connection.command("ZREM", self.room, holder)
