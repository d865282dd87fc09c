"""Claims jobs for a worker, and tells submits in the same step how much room the worker has left."""

from orchestrator.redis import keys
from orchestrator.redis.damage import set_aside
from orchestrator.redis.keys import ShardKeys
from orchestrator.turns.redis.connection import StoreConnection
from orchestrator.turns.redis.lease_scripts import ClaimedJobs, claim_jobs


class JobClaims:
    """Claims under leases of `lease_ms`, whose records are kept for `lease_record_ms`.

    `has_calls` says that the calls lie on the server of their queue. `room` is the sorted set of the workers to which
    submits push grants; None: they push none.
    """

    def __init__(
        self, connection: StoreConnection, *, lease_ms: int, lease_record_ms: int, has_calls: bool, room: str | None
    ) -> None:
        self.room = room
        self._connection = connection
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
    ) -> ClaimedJobs:
        """Claim up to `most` of the first `look_at` jobs of a queue; a job of arq's own for `in_progress_ms`.

        Open each grant by `claims.open`. In a cluster the calls are only named: `claim` each. Raise what Redis raises.

        A worker that can be pushed grants says how many it has `received`: what is left of `most` is its room for
        more, until it says something else or has been silent for a while.
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
            )
        )
        if room is not None and reply.pushed is None:  # Redis refused to note it: it is full, or another type is there
            await set_aside(self._connection.redis.execute_command, [room, keys.worker_presence(holder)])
        return reply

    async def leave(self, holder: str) -> None:
        """Let no more grants be pushed to `holder`. What was pushed before may still come."""
        if self.room is not None:
            await self._connection.command("ZREM", self.room, holder)
