"""How fast a simulated call runs."""

import re
from dataclasses import dataclass

_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class PlaybackSpeed:
    """How closely the line keeps to the time of a real call. The default is fast, but obeys pauses.

    `words_per_second` None means that speech takes no time; on a relay, `characters_per_second` says so. With
    `timeouts`, a question that nobody answers ends after its own timeout, `typing_seconds` and the time to read what
    was said; without, it waits indefinitely. Telephones ring as long as the document says, but at most
    `longest_ring_seconds`.
    """

    words_per_second: float | None = None
    characters_per_second: float | None = None
    pauses: bool = True
    timeouts: bool = False
    typing_seconds: float = 0
    reading_characters_per_second: float | None = None
    longest_ring_seconds: float = 0

    def speaking_seconds(self, text: str) -> float:
        """Return how long it takes to say `text` (seconds)."""
        return len(text.split()) / self.words_per_second if self.words_per_second else 0

    def uttering_seconds(self, text: str) -> float:
        """Return how long it takes to say `text` on a relay (seconds)."""
        return len(text) / self.characters_per_second if self.characters_per_second else 0

    def pieces(self, text: str) -> list[str]:
        """Return `text` in the pieces between which a caller may interrupt; one piece if speech takes no time."""
        if not self.characters_per_second:
            return [text] if text else []
        return _WORD.findall(text)

    def pause_seconds(self, seconds: float) -> float:
        """Return how long a pause of `seconds` lasts here."""
        return seconds if self.pauses else 0

    def answer_seconds(self, seconds: float, said: int = 0) -> float | None:
        """Return how long a question with a timeout of `seconds` waits for its answer, after `said` characters; None is
        without a limit.
        """
        reading = said / self.reading_characters_per_second if self.reading_characters_per_second else 0
        return seconds + self.typing_seconds + reading if self.timeouts else None

    def ringing_seconds(self, seconds: float) -> float:
        """Return how long a telephone rings that nobody answers within `seconds`."""
        return min(seconds, self.longest_ring_seconds)


HURRIED = PlaybackSpeed()
