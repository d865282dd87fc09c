"""Marks at the beginning of a Markdown line: headings, lists, quotations, rules and tables."""

from typing import Literal, NamedTuple

BULLETS = "-*+•‣◦▪·–—"
LONGEST_LINE = 1000
_BOXES = ("[ ] ", "[x] ", "[X] ")


class LineMark(NamedTuple):
    """A mark that is not said, up to `end`. `replacement` is said instead. With `is_block` its line is a sentence."""

    end: int
    replacement: str = ""
    is_block: bool = True


def mark_at(text: str, at: int, *, final: bool) -> LineMark | Literal["wait"] | None:
    """Return the mark at `at`, the beginning of a line; "wait" if that is not known yet; None if there is none."""
    first = text[at]
    if first == "|":
        return _table_row(text, at, final)
    end = at
    while end < len(text) and text[end] == first and end - at < 100:
        end += 1
    is_cut = end == len(text)
    if first not in f"#>{BULLETS}_=" or (first == "_" and end - at < 3 and not is_cut):
        return None
    if is_cut and not final:
        return "wait"
    if first in "-*_=" and end - at >= 3 and (is_cut or text[end] == "\n"):
        return LineMark(end, is_block=False)
    return _followed_by_space(text, at, end, final)


def _followed_by_space(text: str, at: int, end: int, final: bool) -> LineMark | Literal["wait"] | None:
    first, following = text[at], text[end : end + 1]
    if following != " " or first in "_=":
        return None
    if first == "#":
        return LineMark(end + 1) if end - at <= 6 else None
    if end - at > 1:
        return None
    if end + 1 == len(text) and not final:
        return "wait"
    if first == ">":
        return None if text[end + 1 : end + 2].isdecimal() else LineMark(end + 1, is_block=False)
    box = text[end + 1 : end + 5]
    if box in _BOXES:
        return LineMark(end + 5)
    may_be_box = len(box) < 4 and any(known.startswith(box) for known in _BOXES)
    return "wait" if may_be_box and not final else LineMark(end + 1)


def _table_row(text: str, at: int, final: bool) -> LineMark | Literal["wait"] | None:
    end = text.find("\n", at, at + LONGEST_LINE)
    if end < 0 and not final:
        return "wait" if len(text) - at < LONGEST_LINE else None
    end = len(text) if end < 0 else end
    cells = [cell.strip() for cell in text[at:end].split("|") if cell.strip()]
    if end - at > LONGEST_LINE or text[at:end].rstrip()[-1:] != "|":
        return None
    if all(not cell.strip(":-") for cell in cells):
        return LineMark(end, is_block=False)
    return LineMark(end, ", ".join(cells))


def is_numbered(beginning: str) -> bool:
    """True if a line begins like an item of a numbered list: "1. "."""
    number, mark, rest = beginning.lstrip().replace(")", ".", 1).partition(".")
    return bool(mark) and number.isdecimal() and len(number) <= 3 and rest[:1] == " "
