"""How much of a reply a caller can have heard: estimates, because the provider tells only when it is interrupted.

Speech has about 15 characters a second. What must not be lost is reckoned slow, so that rather a few words are
repeated than left out.
"""

import time
from itertools import takewhile

from web.twilio.sentences import sentence_ends

CHARACTERS_PER_SECOND = 15.0
SLOWEST_CHARACTERS_PER_SECOND = 10.0
LEAST_SECONDS = 0.3


class PlayoutClock:
    """When the speech that was sent to the provider will have been spoken."""

    def __init__(self) -> None:
        self._until = 0.0
        self._waiting = 0

    def begun(self) -> None:
        """Something was begun to be sent, whose end the provider will tell."""
        self._waiting += 1

    def over(self) -> None:
        """The provider has spoken the first that was begun; what was sent after it may still be heard."""
        self._waiting -= 1
        if self._waiting <= 0:
            self.silent()

    def sent(self, text: str) -> None:
        """This much more was sent to be spoken after what was sent before."""
        self._until = max(self._until, time.monotonic() + LEAST_SECONDS) + len(text) / CHARACTERS_PER_SECOND

    def silent(self) -> None:
        """Nothing is being spoken, as the provider has said."""
        self._until = 0.0
        self._waiting = 0

    @property
    def unspoken(self) -> int:
        """How much of what was begun the provider has not said to be over."""
        return max(self._waiting, 0)

    @property
    def is_silent(self) -> bool:
        """Whether it is known, and not only reckoned, that nothing is being spoken."""
        return not self._until

    @property
    def seconds_left(self) -> float:
        """How long the speech goes on; 0 when it should be over."""
        return max(self._until - time.monotonic(), 0.0)


def text_to_repeat(text: str, spoken_seconds: float) -> str:
    """What is to be said again of a reply that had been spoken for so long when its line was lost.

    It begins with the sentence in which a slow speaker would have been.
    """
    reached = int(max(spoken_seconds, 0.0) * SLOWEST_CHARACTERS_PER_SECOND)
    if reached >= len(text.rstrip()):
        return ""
    begins = [0, *takewhile(lambda end: end <= reached, sentence_ends(text))]
    return text[begins[-1] :]
