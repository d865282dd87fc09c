"""Colours on a terminal, plain text elsewhere."""

from typing import TextIO

from pydantic_settings import BaseSettings

STYLES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35",
    "cyan": "36", "reverse": "7",
}  # fmt: skip


class TerminalPreferences(BaseSettings):
    """What the environment says about colours: NO_COLOR (https://no-color.org) and TERM."""

    no_color: str = ""
    term: str = ""


class Colors:
    """Colours text if its stream is a terminal and the environment does not forbid it."""

    def __init__(self, stream: TextIO, wishes: TerminalPreferences | None = None) -> None:
        wishes = wishes or TerminalPreferences()
        self.enabled = stream.isatty() and not wishes.no_color and wishes.term != "dumb"

    def __call__(self, text: str, *styles: str) -> str:
        """Return `text` in these styles; blank text unchanged."""
        if not (self.enabled and styles and text.strip()):
            return text
        return f"\x1b[{';'.join(STYLES[style] for style in styles)}m{text}\x1b[0m"
