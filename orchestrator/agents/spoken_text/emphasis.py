"""Stars, underscores and tildes around words, by the rules of Markdown for what opens and what closes."""

from collections import Counter

LONGEST_WORD = 64


class Emphasis:
    """Which marks are open. `closes` and `opens` take the characters before and behind a run of marks."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def reset(self) -> None:
        """A paragraph ends, and with it whatever was left open."""
        self._open.clear()

    def is_mark(self, run: str, before: str, behind: str) -> bool:
        """Whether a run of `*`, `_` or `~` is markup, and not said; notes what it opens or closes."""
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
    """Whether the word at `at` goes on to be an e-mail address; None if that does not show yet."""
    end = at
    while end < len(text) and end - at < LONGEST_WORD and (text[end].isalnum() or text[end] in "._+-"):
        end += 1
    return None if end == len(text) and end - at < LONGEST_WORD else text[end : end + 1] == "@"
