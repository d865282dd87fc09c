"""Keys come one per frame, and an answer has several. It ends by count, by the finishing key, or after a pause."""

from orchestrator.conversation.actions import Gather

MAX_KEYS = 64


class Keypad:
    """Collects the keys of one answer at a time. `options` is the last `Gather`, which says how an answer ends."""

    def __init__(self) -> None:
        self.options = Gather()
        self._keys = ""

    @property
    def is_waiting(self) -> bool:
        """True if an answer has begun and not ended."""
        return bool(self._keys)

    def press(self, key: str) -> str | None:
        """Add a key. Return the answer, without the finishing key, if this key ends it; else None."""
        if key == self.options.finish_on_key:
            return self.pop()
        self._keys += key
        return self.pop() if len(self._keys) >= (self.options.num_digits or MAX_KEYS) else None

    def pop(self) -> str:
        """Return the keys so far as the answer. The next key begins another one."""
        keys, self._keys = self._keys, ""
        return keys
