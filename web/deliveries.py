"""Each turn is counted and logged once, when its reply is first given to its caller.

That may be long after the turn was handed over: a caller is held with fillers and asks again, a client is told to, a
relay's socket is lost and another one says the reply. A retry of what was answered counts for nothing.
"""

import logging
from collections import OrderedDict

from orchestrator import clock
from orchestrator.metrics import Metrics

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 20_000
UNANSWERED = "unanswered"
"""The outcome of a turn whose caller was held in vain."""

_Name = tuple[str, str]


class Deliveries:
    """What this process has handed over and owes a reply, and what it has delivered, as far back as it remembers."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._owed: OrderedDict[_Name, float] = OrderedDict()
        self._delivered: OrderedDict[_Name, None] = OrderedDict()
        self._begun: OrderedDict[_Name, None] = OrderedDict()

    def handed_over(self, call_sid: str, turn_id: str, since: float) -> None:
        """Somebody waits for this turn's reply, since then (Unix seconds)."""
        name = (call_sid, turn_id)
        if name not in self._delivered:
            self._owed.setdefault(name, since)
            _bound(self._owed)

    def owes(self, call_sid: str, turn_id: str) -> bool:
        """Whether the turn was handed over here and nobody was given its reply here."""
        return (call_sid, turn_id) in self._owed

    def first_word(self, channel: str, call_sid: str, turn_id: str, since: float | None = None) -> None:
        """The caller hears, or reads, the first word of the reply. `since` is when the turn came (Unix seconds)."""
        name = (call_sid, turn_id)
        began = self._owed.get(name, since)
        if began is None or name in self._begun or name in self._delivered:
            return
        self._begun[name] = None
        _bound(self._begun)
        self._metrics.turn_begun(channel=channel, seconds=max(clock.now() - began, 0.0))

    def answered(
        self,
        channel: str,
        call_sid: str,
        turn_id: str,
        outcome: str,
        *,
        since: float | None = None,
        at_once: bool = False,
    ) -> None:
        """All of the reply was given to its caller, or there will be none; the first word with the last, if `at_once`.

        Where it is not known since when they have waited, the turn is counted without its time.
        """
        name = (call_sid, turn_id)
        if name in self._delivered:
            return
        if at_once:
            self.first_word(channel, call_sid, turn_id, since)
        began = self._owed.pop(name, since)
        self._begun.pop(name, None)
        self._delivered[name] = None
        _bound(self._delivered)
        seconds = None if began is None else max(clock.now() - began, 0.0)
        self._metrics.turn_answered(channel=channel, outcome=outcome, seconds=seconds)
        extra = {"action": "turn.answered", "call_sid": call_sid, "turn_id": turn_id, "outcome": outcome}
        if seconds is not None:
            extra["seconds"] = round(seconds, 4)  # type: ignore[assignment]
        logger.info("Turn answered", extra=extra)

    def forget(self) -> None:
        """Know no more than a process that has just begun."""
        for known in (self._owed, self._delivered, self._begun):
            known.clear()


def _bound(known: "OrderedDict[_Name, float] | OrderedDict[_Name, None]") -> None:
    while len(known) > MOST_REMEMBERED:
        known.popitem(last=False)
