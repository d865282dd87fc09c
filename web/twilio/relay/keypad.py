"""Keys come one a frame; an answer is several. It ends by count, by the finishing key, or by a pause."""

from orchestrator.conversation.actions import Gather

PAUSE_SECONDS = 2.5
MOST_KEYS = 64


class Keypad:
    """Collects the keys of one answer at a time, as `options` (the last `Gather`) wants them."""

    def __init__(self) -> None:
        self.options = Gather()
        self._keys = ""

    @property
    def is_waiting(self) -> bool:
        """Whether an answer has begun and not ended."""
        return bool(self._keys)

    def press(self, key: str) -> str | None:
        """Add a key; the answer if this ends it. The finishing key is no part of it."""
        if key == self.options.finish_on_key:
            return self.take()
        self._keys += key
        return self.take() if len(self._keys) >= (self.options.num_digits or MOST_KEYS) else None

    def take(self) -> str:
        """The answer as far as it goes; the next key begins another."""
        keys, self._keys = self._keys, ""
        return keys
