"""A dead letter: a turn that failed for good after it lost its worker too often."""

from datetime import UTC, datetime
from typing import Any, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.clock import utc_now
from orchestrator.conversation.turn import Turn, TurnKind

LONGEST_TURN_ID = 256
UNREADABLE = cast(TurnKind, "unreadable")
"""The kind of an entry that is not a turn. It is a string, so that an older `voiceagent dead` can show it."""


class DeadLetter(BaseModel):
    """What a person needs to understand, and to replay, a turn that failed for good."""

    model_config = ConfigDict(
        defer_build=True,  # few processes ever see one
        extra="allow",
        hide_input_in_errors=True,
        serialize_by_alias=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    turn: Turn
    attempts: int
    reason: str
    dead_lettered_at: datetime = Field(default_factory=utc_now, alias="buried_at")  # as Redis has had it from the start

    @property
    def key(self) -> str:
        """Return the letter's name: `call_sid/turn_id`, of the turn as it came in first."""
        return self.turn.idempotency_key

    @property
    def is_replayable(self) -> bool:
        """False if the turn was sensitive: nobody knows any more what it brought."""
        return not self.turn.sensitive

    @property
    def why_final(self) -> str:
        """Return why the turn can never be run again; "" if it can, as far as the letter tells."""
        if self.turn.kind == UNREADABLE:
            return f"{self.key} cannot be run again, as it cannot be read: {self.reason}"
        if not self.is_replayable:
            return (
                f"{self.key} cannot be run again: it was sensitive, and what the caller said or keyed was kept "
                "nowhere. Ask them for it again, then throw the dead letter away."
            )
        return ""

    def described(self) -> dict[str, Any]:
        """Return the letter as the API shows it. `turn_id` is that of the turn as it came in first."""
        return {
            "call_sid": self.turn.call_sid,
            "turn_id": self.key.removeprefix(f"{self.turn.call_sid}/"),
            "kind": self.turn.kind,
            "text": self.turn.text,
            "digits": self.turn.digits,
            "attempts": self.attempts,
            "reason": self.reason,
            "received_at": _timestamp(self.turn.received_at),
            "dead_lettered_at": _timestamp(self.dead_lettered_at),
            "replayable": not self.why_final,
        }

    def replay(self) -> Turn:
        """Return the turn to run instead.

        It has an id of its own, because the first one keeps its place in the state with the apology that the caller
        heard. It has the same idempotency key, so that what the agent did before it died is not done again. The id
        follows from `dead_lettered_at`: asking twice is the same replay, a later dead letter of the turn another.
        """
        first = self.turn.replay_of or self.turn.turn_id
        turn_id = f"replay-{self.dead_lettered_at.timestamp() * 1_000_000:.0f}-{first}"[:LONGEST_TURN_ID]
        return self.turn.model_copy(
            update={"turn_id": turn_id, "replay_of": first, "received_at": utc_now(), "late_timings": {}}
        )


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class DeadLetterBox(Protocol):
    """Keeps dead letters. Every method may raise `StoreUnavailable`."""

    async def all(self) -> list[DeadLetter]:
        """Return the letters, the newest first."""

    async def put(self, letter: DeadLetter) -> None:
        """Keep the letter; it replaces an earlier one with its key."""

    async def discard(self, key: str) -> bool:
        """Delete the letter. Return whether there was one."""
