"""What every turn store does to erase a call wherever it keeps something of it."""

from typing import Protocol

from orchestrator.events.outbox import NewEvent


class CallErasure(Protocol):
    """Erases calls. Every method may raise `StoreUnavailable`, and may be repeated until it succeeds."""

    async def begin(self, call_sid: str) -> bool:
        """Note for a day that the call is erased. Return whether that was noted before.

        From then on no provider's webhook begins the call, and no process writes a call back that began before.
        """

    async def erase(self, call_sid: str, told: NewEvent | None, *, is_known: bool, is_phone: bool) -> bool:
        """Erase turns, results, leases, dead letters, what is scheduled and the outbox. Return whether there was any.

        `told` is the call's `call.erased`; None: nobody wants it. It takes the place of all that was not delivered, and
        is told to each sink that was told anything, if there was anything or the call `is_known` elsewhere. A turn that
        runs writes nothing any more. Whoever waits for a reply gets a result: a goodbye, if the call `is_phone`.
        """

    async def forget(self, call_sid: str) -> None:
        """Take the note of `begin` back: there was nothing of the call anywhere."""
