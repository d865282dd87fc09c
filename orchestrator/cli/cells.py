"""How wide text is on a terminal, and text cut or filled to a width."""

from unicodedata import combining, east_asian_width


def columns_of(character: str) -> int:
    """Return how many columns a character takes."""
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def width_of(text: str) -> int:
    """Return how many columns `text` takes."""
    return len(text) if text.isascii() else sum(map(columns_of, text))


def cut(text: str, width: int) -> str:
    """Return `text`, which has no control characters, in at most `width` columns, with … for what is left out."""
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += columns_of(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…" if width > 0 else ""


def filled(text: str, width: int) -> str:
    """Return `text` cut to `width` columns, or filled with blanks."""
    shown = cut(text, width)
    return shown + " " * (width - width_of(shown))
