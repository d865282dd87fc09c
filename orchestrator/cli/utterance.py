"""What the agent is saying, printed word by word."""

import shutil

from orchestrator.cli.colors import Colors
from orchestrator.cli.transcript import AGENT, INDENT, WIDEST


class Utterance:
    """One line, or several, that grow. `end` and `broken` close it: the next word begins with the label again."""

    def __init__(self, colors: Colors) -> None:
        self._colors = colors
        self._column = 0

    @property
    def is_open(self) -> bool:
        """True while the line may grow."""
        return self._column > 0

    def add(self, text: str) -> None:
        """Print the next words."""
        words = " ".join(text.splitlines())
        if not self._column:
            words = words.lstrip()
            self._begin(AGENT, "bold", "cyan")
        elif self._column + len(words.rstrip()) > self._width:
            print()
            self._begin(INDENT)
        print(words, end="", flush=True)
        self._column += len(words)

    def end(self) -> None:
        """End the line."""
        if self._column:
            print(flush=True)
        self._column = 0

    def broken(self) -> None:
        """Note that another writer has begun a new line."""
        self._column = 0

    @property
    def _width(self) -> int:
        return min(shutil.get_terminal_size().columns, WIDEST)

    def _begin(self, label: str, *styles: str) -> None:
        print(self._colors(label, *styles), end="")
        self._column = len(label)
