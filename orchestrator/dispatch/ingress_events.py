"""What other ingresses ask of this one about the sockets of relay calls."""

from typing import Protocol


class IngressEvents(Protocol):
    """Answers for the sockets that this ingress holds. `web` implements it; `NoSockets` serves programs without any."""

    async def taken_over(self, call_sid: str) -> None:
        """Close the call's socket here: another ingress has the call now, and waits until this returns."""

    def take_sent(self, call_sid: str) -> str:
        """Return what was sent over the call's lost socket, for the one that goes on in its place; "" if unknown."""

    async def is_answering(self, call_sid: str) -> bool:
        """True if the call has a socket here and its peer answers a ping. One that is being admitted counts, too."""


class NoSockets:
    """An ingress without relay calls."""

    async def taken_over(self, call_sid: str) -> None:
        """Do nothing: there is no socket to close."""

    def take_sent(self, call_sid: str) -> str:
        """Return nothing."""
        return ""

    async def is_answering(self, call_sid: str) -> bool:
        """Return False."""
        return False
