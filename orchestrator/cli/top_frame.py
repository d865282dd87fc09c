"""The screen of `voiceagent top` as lines: what goes where, and what is left out when there is no room. No I/O."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orchestrator.cli.cells import cut, filled, width_of
from orchestrator.cli.top_state import LiveState
from orchestrator.cli.top_words import (
    CALL_HEADINGS,
    PROCESS_HEADINGS,
    call_row,
    figures_of,
    findings_of,
    health_of,
    process_row,
)

KEYS = "↑ ↓ choose   Enter show   q quit"
KEYS_OF_CALL = "↑ ↓ scroll   Esc back   q quit"
MOST_FINDINGS = 4
FINDING_LINES = 3
WIDEST_CELL = 36
PROCESSES_SHARE = 0.4
"""The part of the room for tables that processes may take, if there are calls, too."""


class Line(NamedTuple):
    """A line of the screen, and its style; "" is none."""

    text: str
    style: str = ""


@dataclass
class View:
    """What the person looks at. `chosen` is the SID of the chosen call, `opened` that of the one that is shown."""

    chosen: str = ""
    opened: str = ""
    transcript: Sequence[str] = ()
    offset: int = 0
    """The first line of the transcript that is shown, counted from its end."""
    trouble: str = ""
    """Why there is no connection; "" while there is one."""
    page: int = 1
    """How many calls fit on the screen."""

    def move(self, steps: int, call_sids: Sequence[str]) -> None:
        """Choose another call, or scroll the one that is shown."""
        if self.opened:
            self.offset = max(0, min(self.offset - steps, len(self.transcript) - 1))
        elif call_sids:
            at = call_sids.index(self.chosen) + steps if self.chosen in call_sids else 0
            self.chosen = call_sids[max(0, min(at, len(call_sids) - 1))]


def frame(state: LiveState, view: View, url: str, size: tuple[int, int], now: float) -> list[Line]:
    """Return the lines of a screen of (columns, rows); none is wider, and there are as many as rows at most."""
    columns, rows = size
    head = _head(state, view, url, columns, now)
    if view.opened:
        body = _opened(view, rows - len(head) - 1)
        lines = [*head, *body, Line(KEYS_OF_CALL, "dim")]
    else:
        lines = [*head, *_tables(state, view, columns, rows - len(head) - 1, now), Line(KEYS, "dim")]
    return [Line(cut(text, columns), style) for text, style in lines[:rows]]


def snapshot(state: LiveState, url: str, columns: int, now: float, most_calls: int = 20) -> list[Line]:
    """Return all of it as lines that fit in `columns`, for what is no terminal; of the calls the first ones."""
    view = View()
    calls = _calls(state, view, columns, most_calls + 2, now)
    lines = [*_head(state, view, url, columns, now), *_processes(state, columns, 10_000, now), Line(""), *calls]
    return [Line(cut(text, columns), style) for text, style in lines]


def _head(state: LiveState, view: View, url: str, columns: int, now: float) -> list[Line]:
    lines = [Line(f"VoiceAgent at {url}", "dim")]
    if state.overview is None:
        return [*lines, Line(view.trouble or "Waiting for the server …", "yellow"), Line("")]
    sentence, style = health_of(state)
    lines += [Line(view.trouble, "red")] if view.trouble else _wrapped(sentence, style, columns, 2)
    lines += [Line(figures_of(state)), Line("")]
    findings = [*findings_of(state, now)]
    for text, colour in findings[:MOST_FINDINGS]:
        lines += _wrapped("! " + text, colour, columns, FINDING_LINES)
    if (more := len(findings) - MOST_FINDINGS) > 0:
        lines.append(Line(f"… and {more} more: `voiceagent doctor`", "dim"))
    return [*lines, *([Line("")] if findings else [])]


def _tables(state: LiveState, view: View, columns: int, room: int, now: float) -> list[Line]:
    """Return the processes and the calls, in exactly `room` lines."""
    wanted = len(state.items("processes")) + 1
    calls = len(state.calls())
    for_processes = wanted if wanted + calls + 2 <= room else max(2, min(wanted, int(room * PROCESSES_SHARE)))
    lines = [*_processes(state, columns, for_processes, now), Line("")]
    lines += _calls(state, view, columns, max(0, room - len(lines)), now)
    return [*lines, *[Line("")] * (room - len(lines))][: max(0, room)]


def _processes(state: LiveState, columns: int, room: int, now: float) -> list[Line]:
    rows = [process_row(process, now) for process in state.items("processes")]
    shown = rows if len(rows) < room else rows[: max(0, room - 2)]
    lines = _table(PROCESS_HEADINGS, shown, columns)
    return lines if len(shown) == len(rows) else [*lines, Line(f"… and {len(rows) - len(shown)} more", "dim")]


def _calls(state: LiveState, view: View, columns: int, room: int, now: float) -> list[Line]:
    """Return the calls around the chosen one, in at most `room` lines."""
    calls = state.calls()
    if not calls:
        return [Line("No live calls.", "dim")]
    view.page = max(1, room - 2)
    sids = [str(call.get("call_sid")) for call in calls]
    chosen = sids.index(view.chosen) if view.chosen in sids else -1
    first = max(0, min(chosen - view.page // 2, len(calls) - view.page))
    shown = calls[first : first + view.page]
    lines = _table(CALL_HEADINGS, [call_row(call, now) for call in shown], columns, chosen - first)
    total = max(state.active, len(calls))
    return lines if len(shown) == total else [*lines, Line(f"{first + 1} to {first + len(shown)} of {total}", "dim")]


def _opened(view: View, room: int) -> list[Line]:
    end = len(view.transcript) - view.offset
    shown = [Line(text) for text in view.transcript[max(0, end - room) : max(end, min(room, len(view.transcript)))]]
    return [*shown, *[Line("")] * (room - len(shown))]


def _table(
    headings: Sequence[str], rows: Sequence[tuple[Sequence[str], str]], columns: int, chosen: int = -1
) -> list[Line]:
    """Return the rows under their headings; the last column gets what is left. A mark stands before the chosen row."""
    cells = [headings, *(row for row, _ in rows)]
    widths = [min(WIDEST_CELL, max(map(width_of, column))) for column in zip(*cells, strict=True)]
    widths[-1] = max(0, columns - sum(widths[:-1]) - 2 * len(widths))
    texts = ["  ".join(filled(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines = [Line("  " + texts[0], "dim")]
    for place, (text, (_, style)) in enumerate(zip(texts[1:], rows, strict=True)):
        lines.append(Line("› " + text, "bold") if place == chosen else Line("  " + text, style))
    return lines


def _wrapped(text: str, style: str, columns: int, most: int) -> list[Line]:
    lines = textwrap.wrap(text, max(20, columns), break_on_hyphens=False, max_lines=most, placeholder=" …")
    return [Line(line, style) for line in lines]
