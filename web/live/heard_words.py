"""What an agent has said of a running turn so far, put together from pieces that may be missed or come again."""

from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.turns.messages import Token


class HeardWords:
    """The words of one reply. A piece that may repeat what a sensitive turn brought is shown as `[hidden]`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin with another reply."""
        self.text = ""
        self._epoch = 0
        self._hides = False

    def add(self, token: Token) -> bool:
        """Add a piece. Return False if it changes nothing: it is of an earlier run, or one before it is missing."""
        if token.epoch < self._epoch:
            return False
        if token.epoch > self._epoch:
            self.clear()
            self._epoch = token.epoch
        piece = token.piece
        if piece.sealed_words:
            self._hides = True
            if self.text.endswith(HIDDEN):
                return False
            self.text += HIDDEN
            return True
        start = len(self.text) if self._hides else piece.start.characters  # how long hidden words are is not known
        if start > len(self.text) or not piece.text:
            return False
        before, self.text = self.text, self.text[:start] + piece.text
        return self.text != before

    def catch_up(self, reported: str) -> bool:
        """Take what a worker reports, if that is more than what was heard. Return whether it was."""
        if len(reported) <= len(self.text) or self._hides:
            return False
        self.text = reported
        return True
