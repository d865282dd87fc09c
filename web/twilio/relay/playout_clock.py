"""How much of a reply a caller can have heard. These are estimates: the provider reports it at interruptions only.

Speech has about 15 characters a second. What decides which words are lost assumes a slower speaker, because repeating
a few words is better than leaving some out.
"""

import asyncio
import time
from collections import deque
from itertools import takewhile

from web.twilio.relay.spoken_reply import SpokenReply
from web.twilio.sentences import sentence_ends

CHARACTERS_PER_SECOND = 15.0
SLOWEST_CHARACTERS_PER_SECOND = 10.0
MIN_SECONDS = 0.3
POLL_SECONDS = 0.05
"""How often it is looked whether the provider has reported the end of what it speaks."""
MOST_UTTERANCES = 16
"""How many utterances are remembered that the provider has not reported as spoken; some providers report none."""


class PlayoutClock:
    """Estimates when the provider will have spoken all that was sent to it."""

    def __init__(self) -> None:
        self._until = self._until_at_latest = 0.0
        self._open_utterances = 0
        self._spoken: deque[tuple[SpokenReply | None, float]] = deque()  # the last utterances, and when each is over
        self._unheard: deque[SpokenReply | None] = deque()  # of each open utterance that the provider has not begun

    def utterance_begun(self, reply: SpokenReply | None = None) -> None:
        """Note that an utterance was begun, whose end the provider will report. Without a `reply` it is a filler."""
        self._open_utterances += 1
        self._unheard.append(reply)
        now = time.monotonic()
        while self._spoken and (self._spoken[0][1] < now or len(self._spoken) >= MOST_UTTERANCES):
            self._spoken.popleft()
        self._spoken.append((reply, self._until_at_latest))

    def utterance_heard(self) -> SpokenReply | None:
        """Note that the provider begins to speak the next utterance. Return the reply that it belongs to."""
        return self._unheard.popleft() if self._unheard else None

    def utterance_spoken(self) -> None:
        """Note that the provider has spoken the oldest utterance. Later ones may still be playing."""
        self._open_utterances -= 1
        if self._spoken:
            self._spoken.popleft()
        if self._open_utterances <= 0:
            self.all_spoken()
        while len(self._unheard) > self._open_utterances:
            self._unheard.popleft()

    def sent(self, text: str) -> None:
        """Note that `text` was sent, to be spoken after what was sent before."""
        soonest, characters = time.monotonic() + MIN_SECONDS, len(text)
        self._until = max(self._until, soonest) + characters / CHARACTERS_PER_SECOND
        latest = max(self._until_at_latest, soonest) + characters / SLOWEST_CHARACTERS_PER_SECOND
        self._until_at_latest = latest
        if self._spoken:
            self._spoken[-1] = (self._spoken[-1][0], latest)

    def speaks(self, reply: SpokenReply, seconds: float) -> None:
        """Note that the provider speaks `reply` for so long, which an earlier session has sent."""
        self._open_utterances = int(reply.is_complete)  # else what follows of it is counted
        self._until = self._until_at_latest = time.monotonic() + seconds
        self._spoken.append((reply, self._until_at_latest))

    def all_spoken(self) -> None:
        """Note that the provider speaks nothing any more, as it has reported."""
        self._until = self._until_at_latest = 0.0
        self._open_utterances = 0
        self._unheard.clear()
        self._spoken.clear()

    @property
    def open_utterances(self) -> int:
        """Return how many utterances the provider has not reported as spoken."""
        return max(self._open_utterances, 0)

    async def wait_spoken(self) -> None:
        """Return when the provider should have spoken all that was sent to it."""
        while left := self.seconds_left:
            await asyncio.sleep(min(left, POLL_SECONDS))

    def spoken_of(self, text: str) -> str:
        """Return what the provider has spoken of `text`, which was sent last, by estimate."""
        spoken = len(text) - int(self.seconds_left * CHARACTERS_PER_SECOND)
        return text if spoken >= len(text) else text[: max(text.rfind(" ", 0, max(spoken, 0)), 0)]

    @property
    def replies(self) -> list[SpokenReply]:
        """Return the replies that the provider may not have spoken to their end, in order."""
        now = time.monotonic()
        return list(dict.fromkeys(reply for reply, until in self._spoken if reply is not None and until > now))

    @property
    def is_certainly_silent(self) -> bool:
        """True if the provider has reported that it speaks nothing; an estimate is not enough."""
        return not self._until

    @property
    def seconds_left(self) -> float:
        """Return for how many seconds the provider will still speak, by estimate; 0 if it should have finished."""
        return max(self._until - time.monotonic(), 0.0)


def text_to_repeat(text: str, spoken_seconds: float) -> str:
    """Return what to repeat of a reply that was spoken for `spoken_seconds` when its connection was lost.

    It begins with the sentence that a slow speaker would have reached.
    """
    reached = int(max(spoken_seconds, 0.0) * SLOWEST_CHARACTERS_PER_SECOND)
    if reached >= len(text.rstrip()):
        return ""
    begins = [0, *takewhile(lambda end: end <= reached, sentence_ends(text))]
    return text[begins[-1] :]
