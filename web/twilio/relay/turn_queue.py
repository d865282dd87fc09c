"""The turns of one session that wait to be stored, in order."""

from collections import deque
from collections.abc import Callable

from orchestrator.conversation.turn import Turn

MAX_TURNS = 600
"""More than a provider keeps for a socket that comes back (500)."""
MAX_CHARACTERS = 1_000_000


class TurnQueue:
    """Keeps with each turn whether it may be a repetition. True if a turn waits."""

    def __init__(self) -> None:
        self._turns: deque[tuple[Turn, bool]] = deque()

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def is_full(self) -> bool:
        """True if no more turns may wait."""
        return len(self._turns) >= MAX_TURNS or sum(len(turn.text) for turn, _ in self._turns) >= MAX_CHARACTERS

    @property
    def has_words(self) -> bool:
        """True if the caller spoke or pressed keys in one of the turns."""
        return any(turn.has_words for turn, _ in self._turns)

    def append(self, turn: Turn, *, may_be_repeated: bool) -> None:
        """Add a turn after the others."""
        self._turns.append((turn, may_be_repeated))

    def insert_first(self, turn: Turn) -> None:
        """Add a turn before the others. It is not a repetition."""
        self._turns.appendleft((turn, False))

    def pop(self) -> Turn:
        """Return the first turn, which no longer waits."""
        return self._turns.popleft()[0]

    def pop_all(self) -> list[Turn]:
        """Return all turns; none waits any longer."""
        turns = [turn for turn, _ in self._turns]
        self._turns.clear()
        return turns

    def drop_silences(self) -> None:
        """Drop the turns in which the caller was silent."""
        self._turns = deque(entry for entry in self._turns if entry[0].kind != "silence")

    def drop_repeated(self, is_repeated: Callable[[Turn], bool]) -> list[Turn]:
        """Drop the turns that may be repetitions and, by `is_repeated`, are. Return them."""
        kept: deque[tuple[Turn, bool]] = deque()
        dropped = []
        for turn, may_be_repeated in self._turns:
            if may_be_repeated and is_repeated(turn):
                dropped.append(turn)
            else:
                kept.append((turn, may_be_repeated))
        self._turns = kept
        return dropped
