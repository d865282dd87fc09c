"""`PendingReply`: the reply to a turn as its process sees it while it grows."""

from collections.abc import AsyncIterator
from typing import Protocol

from orchestrator.conversation.actions import InlineAction
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn


class PendingReply(Protocol):
    """A submitted turn. It runs whether or not anybody waits for it, so a caller may stop waiting at any time."""

    @property
    def result(self) -> TurnResult | None:
        """The result; None until it has arrived."""

    @property
    def was_recorded(self) -> bool:
        """True if the store had the result already when the turn was last submitted or looked for.

        False for a new turn, even if its result was faster than the store's answer to the submission.
        """

    @property
    def turn(self) -> Turn | None:
        """The turn that was submitted; None if this process does not have it."""

    @property
    def turn_id(self) -> str:
        """The id of the turn."""

    @property
    def has_begun(self) -> bool:
        """True if something of the reply has arrived."""

    async def wait(self, timeout_seconds: float) -> TurnResult | None:
        """Return the result, or None after the timeout, whatever the transport does.

        Several tasks may wait at once, and wait again.
        """

    def parts(self, said: str = "", actions: int = 0) -> AsyncIterator[str | InlineAction]:
        """Yield the text of the reply and its inline actions as they are produced, until the turn has its result.

        The text `said` and the first `actions` inline actions were given before, and are left out. If another worker
        runs the turn again, only what continues the text already given is yielded.
        """

    def tokens(self) -> AsyncIterator[str]:
        """Yield the text alone."""
