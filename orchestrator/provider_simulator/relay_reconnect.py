"""How the provider opens a relay's lost socket again (`applicationReconnect="true"`), and what it then sends.

Twilio documents that it keeps up to 500 events meanwhile and replays them. Everything else is open, so that tests can
play each possibility: whether the session keeps its id, whether delivered events come again, in which order, whether
the action fires all the same.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

MOST_KEPT = 500
REPEATED_SECONDS = 10.0
NORMAL_CLOSE = 1000
Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RelayReconnect:
    """What happens after a socket was lost.

    `replays`: only events that were `unsent`; those too that were sent within `REPEATED_SECONDS` before, which the
    server may not have received (`repeated`); or the unsent ones in `reversed` order. `fires_action`: the action of
    `<Connect>` is fired with `failed` as without reconnection; the next session then gets the events. Else up to
    `attempts` sockets are opened, each after `delay_seconds` and `gate`.
    """

    keeps_session: bool = True
    replays: Literal["unsent", "repeated", "reversed"] = "unsent"
    fires_action: bool = False
    attempts: int = 3
    delay_seconds: float = 0.05
    gate: asyncio.Event | None = field(default=None, compare=False)

    async def wait(self) -> None:
        """Wait before the next attempt."""
        await asyncio.sleep(self.delay_seconds)
        if self.gate is not None:
            await self.gate.wait()


class RelayBacklog:
    """The events of a relay that are kept for a socket that comes back."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, Frame]] = deque(maxlen=MOST_KEPT)

    def note_sent(self, frame: Frame) -> None:
        """Note an event that was sent, for the first time or again."""
        if not any(known is frame for _, known in self._sent):
            self._sent.append((self._now(), frame))

    def replayed(self, unsent: list[Frame], policy: RelayReconnect) -> list[Frame]:
        """Return the events that a new socket gets, of which these were not sent."""
        if policy.replays == "repeated":
            since = self._now() - REPEATED_SECONDS
            recent = [frame for at, frame in self._sent if at >= since and not any(frame is other for other in unsent)]
            return [*recent, *unsent][-MOST_KEPT:]
        return (unsent[::-1] if policy.replays == "reversed" else unsent)[-MOST_KEPT:]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
