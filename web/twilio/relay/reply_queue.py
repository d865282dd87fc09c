"""The replies of one session that wait to be spoken, in order."""

from collections import deque
from collections.abc import Callable, Iterator

from web.twilio.relay.spoken_reply import SpokenReply

ComesBefore = Callable[[SpokenReply], bool]
"""Whether a reply is to be said before this one."""


class ReplyQueue:
    """True if a reply waits."""

    def __init__(self) -> None:
        self._replies: deque[SpokenReply] = deque()

    def __len__(self) -> int:
        return len(self._replies)

    def __iter__(self) -> Iterator[SpokenReply]:
        return iter(self._replies)

    def append(self, reply: SpokenReply) -> None:
        """Add a reply after the others."""
        self._replies.append(reply)

    def insert(self, reply: SpokenReply, comes_before: ComesBefore) -> None:
        """Add a reply before the first one that it `comes_before`, or else after all."""
        place = next((place for place, other in enumerate(self._replies) if comes_before(other)), len(self._replies))
        self._replies.insert(place, reply)

    def pop(self) -> SpokenReply:
        """Return the first reply, which no longer waits."""
        return self._replies.popleft()

    def clear(self) -> None:
        """Drop all replies: none of them will be spoken."""
        for reply in self._replies:
            reply.end_trace()
        self._replies.clear()
