"""Takes the grants that submits push to this worker: begins them like claimed ones, or gives them back at once."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.redis.damage import text_of
from orchestrator.tasks import BackgroundTasks
from orchestrator.turns.redis.lease_scripts import Grant, Pushed
from orchestrator.turns.redis.pushed_grant import read_pushed_grant
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Lease

logger = logging.getLogger(__name__)

LOST_SECONDS = 0.3
"""A grant that Redis has pushed and that has not come for so long is lost: so is the connection of the subscription."""
ON_ITS_WAY_SECONDS = 5.0
"""For so long after its lease was released a grant may still come. Later, the same lease is one of another life."""


class PushedGrants:
    """Receives what is pushed to the worker `holder`.

    `start` begins the turn of a grant, or returns False if the worker has no free slot. `received` counts the grants
    that have come: each claim tells it to Redis, whose answer says how many there were.
    """

    def __init__(self, store: RedisTurnStore, holder: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.received = 0
        self.start: Callable[[Grant], bool] = lambda grant: False
        self._monotonic = monotonic
        self._store = store
        self._holder = holder
        self._given_back = BackgroundTasks()
        self._decided: OrderedDict[tuple[str, int], float] = OrderedDict()
        """Call SID and epoch of leases of this worker → when it was decided who takes them."""
        self._missing: tuple[int, float] | None = None
        self._counts_anew = False

    def on_message(self, message: bytes) -> None:
        """Begin the turn of a grant, or give it back. Raise ValueError or KeyError on any other message."""
        self.received += 1
        catalog.PUSHED_GRANTS.inc()
        grant = read_pushed_grant(message, self._holder)
        if self.decide(grant.lease) and not self.start(grant):
            self.give_back(grant)

    def give_back(self, grant: Grant) -> None:
        """Release the lease of a grant whose turn cannot begin here: that is no attempt at it."""
        self._given_back.start(self._give_back(grant), f"give back {grant.job_id}")

    def decide(self, lease: Lease) -> bool:
        """Return True for the first who asks: they begin the turn or release the lease, and nobody does the other."""
        now, decided = self._monotonic(), self._decided
        while decided and now - next(iter(decided.values())) > ON_ITS_WAY_SECONDS:
            decided.popitem(last=False)
        known_as = (lease.call_sid, lease.epoch)
        if known_as in decided:
            return False
        decided[known_as] = now
        return True

    def on_gap(self) -> None:
        """Count from what Redis says next: what was pushed while the channel was not subscribed to never comes."""
        self._counts_anew = True

    def has_lost(self, pushed: Pushed) -> bool:
        """True if a grant is lost. `pushed` is what Redis has just said."""
        now, missing = self._monotonic(), self._missing
        if self._counts_anew:
            self.received, self._missing, self._counts_anew = max(self.received, pushed.count), None, False
        elif self.received >= pushed.count:
            self._missing = None
        elif pushed.quiet_ms >= LOST_SECONDS * 1000:
            self.received, self._missing = pushed.count, None
            return True
        elif missing is None or self.received >= missing[0]:
            self._missing = (pushed.count, now)
        elif now - missing[1] >= LOST_SECONDS:
            self.received, self._missing = missing[0], None
            return True
        return False

    async def close(self, seconds: float = 2.0) -> None:
        """Wait until what was to be given back is, for at most `seconds`."""
        await self._given_back.close(drain_seconds=seconds)

    async def _give_back(self, grant: Grant) -> None:
        """Release a lease whose turn cannot begin here, which is no attempt at it, and wake another worker."""
        call_sid = grant.lease.call_sid
        try:
            await self._store.claims.give_back(grant.lease, text_of(grant.turn_id))
        except StoreUnavailable as error:
            logger.warning(
                "A call could not be given back (%s); a worker claims it when its lease ends", error,
                extra={"action": "call.claim_failed", "call_sid": call_sid},
            )  # fmt: skip
