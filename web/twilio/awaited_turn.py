"""`AwaitedTurn`: the turn whose reply a webhook asks for."""

from dataclasses import dataclass, replace

from orchestrator import clock
from web.twilio.held_turn import HeldTurn
from web.twilio.language import Languages


@dataclass(frozen=True)
class AwaitedTurn:
    """The provider asks for the reply to the turn `number` of a call.

    `held` is the turn, unless only its id is known. `languages` are those in which it came. `since` (Unix seconds) is
    when the caller began to wait, `attempt` counts the fillers that they have heard.
    """

    call_sid: str
    turn_id: str
    number: int
    languages: Languages
    held: HeldTurn | None
    since: float
    attempt: int = 0

    @property
    def seconds_waited(self) -> float:
        """How long the caller has waited."""
        return clock.now() - self.since

    @property
    def languages_after(self) -> Languages:
        """What holds for the next turn. What was asked for as sensitive has come, if this one brought words or keys."""
        has_come = self.held is not None and self.held.turn.has_words
        return replace(self.languages, sensitive=False) if has_come and self.languages.sensitive else self.languages

    @property
    def begins_call(self) -> bool:
        """True for a call's first turn."""
        return self.held is not None and self.held.opening is not None
