"""Stars, underscores and tildes around words: Markdown's rules for which open and which close."""

from collections import Counter

LONGEST_WORD = 64


class Emphasis:
    """The marks that are open."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def reset(self) -> None:
        """End a paragraph, and with it the marks that were left open."""
        self._open.clear()

    def is_mark(self, run: str, before: str, behind: str) -> bool:
        """True if a run of `*`, `_` or `~` is markup, and not said. Note what it opens or closes.

        `before` and `behind` are the characters around the run.
        """
        mark = run[0]
        if mark == "~" and len(run) == 1:
            return False
        is_open = self._open[mark] > 0
        if is_open and before and not before.isspace() and not (mark == "_" and behind.isalnum()):
            self._open[mark] = max(self._open[mark] - len(run), 0)
            return True
        if not behind or behind.isspace() or not self._may_open(run, before, behind):
            return False
        self._open[mark] += len(run)
        return True

    def _may_open(self, run: str, before: str, behind: str) -> bool:
        if not before.isalnum():
            return True
        is_within_word = behind.isalnum()
        is_product = before.isdecimal() and behind.isdecimal()
        return run[0] == "*" and len(run) > 1 and is_within_word and not is_product


def begins_address(text: str, at: int) -> bool | None:
    """True if the word at `at` begins an e-mail address; None if that is not known yet."""
    end = at
    while end < len(text) and end - at < LONGEST_WORD and (text[end].isalnum() or text[end] in "._+-"):
        end += 1
    return None if end == len(text) and end - at < LONGEST_WORD else text[end : end + 1] == "@"
