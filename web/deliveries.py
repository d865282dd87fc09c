"""Counts and logs each turn once, when its reply is first given to its caller.

That may be long after the turn was submitted: a held caller hears fillers and asks again, a client is told to ask
again, or a relay's socket is lost and the next one says the reply. A retry of an answered turn is not counted.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping

from orchestrator import clock, event_log
from orchestrator.conversation.timings import stage_seconds
from orchestrator.history import counted
from orchestrator.metrics import Metrics

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 20_000
UNANSWERED = "unanswered"
"""The outcome of a turn whose caller was held until an apology."""

_Name = tuple[str, str]


class Deliveries:
    """Turns that this process has submitted, and those whose replies it has delivered: `MOST_REMEMBERED` of each."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._awaited: OrderedDict[_Name, float] = OrderedDict()
        self._delivered: OrderedDict[_Name, None] = OrderedDict()
        self._begun: OrderedDict[_Name, None] = OrderedDict()

    def submitted(self, call_sid: str, turn_id: str, since: float) -> None:
        """Note that a caller waits for this turn's reply, since `since` (Unix seconds)."""
        name = (call_sid, turn_id)
        if name not in self._delivered:
            self._awaited.setdefault(name, since)
            _bound(self._awaited)

    def is_awaited(self, call_sid: str, turn_id: str) -> bool:
        """True if the turn was submitted here, and its reply was not given to its caller here yet."""
        return (call_sid, turn_id) in self._awaited

    def first_word(self, channel: str, call_sid: str, turn_id: str, since: float | None = None) -> None:
        """Note that the caller gets the first word of the reply now. `since` is when the turn came (Unix seconds)."""
        name = (call_sid, turn_id)
        began = self._awaited.get(name, since)
        if began is None or name in self._begun or name in self._delivered:
            return
        self._begun[name] = None
        _bound(self._begun)
        seconds = max(clock.now() - began, 0.0)
        self._metrics.turn_begun(channel=channel, seconds=seconds)
        counted.first_word_said(seconds)

    def answered(
        self,
        channel: str,
        call_sid: str,
        turn_id: str,
        outcome: str,
        *,
        since: float | None = None,
        at_once: bool = False,
        timings: Mapping[str, float] | None = None,
    ) -> None:
        """Count and log a turn: its caller got all of the reply, or will never get one.

        `at_once`: the caller got the first word together with the last. Where nobody knows when the turn came, it is
        counted without its duration. `timings` are those of its result: how long each stage took is recorded.
        """
        name = (call_sid, turn_id)
        if name in self._delivered:
            return
        if at_once:
            self.first_word(channel, call_sid, turn_id, since)
        began = self._awaited.pop(name, since)
        self._begun.pop(name, None)
        self._delivered[name] = None
        _bound(self._delivered)
        seconds = None if began is None else max(clock.now() - began, 0.0)
        self._metrics.turn_answered(channel=channel, outcome=outcome, seconds=seconds)
        counted.turn_answered(seconds, is_unanswered=outcome == UNANSWERED)
        self._record_stages(timings, seconds)
        extra = {"action": "turn.answered", "call_sid": call_sid, "turn_id": turn_id, "outcome": outcome}
        if seconds is not None:
            extra["seconds"] = round(seconds, 4)  # type: ignore[assignment]
        event_log.info(logger, "Turn answered", extra=extra)

    def speech_begun(self, seconds: float) -> None:
        """Note that a provider began to speak a reply so long after its first words were sent."""
        self._metrics.stages_taken({"speech": seconds})

    def _record_stages(self, timings: Mapping[str, float] | None, seconds: float | None) -> None:
        if timings:
            answered = None if seconds is None else seconds * 1000
            self._metrics.stages_taken(stage_seconds(timings, answered))

    def forget(self) -> None:
        """Forget everything, like a process that has just started."""
        for known in (self._awaited, self._delivered, self._begun):
            known.clear()


def _bound(known: "OrderedDict[_Name, float] | OrderedDict[_Name, None]") -> None:
    while len(known) > MOST_REMEMBERED:
        known.popitem(last=False)
