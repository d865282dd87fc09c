"""The deliveries that are not made, as lines for a terminal."""

import json
import shutil
import textwrap
from collections.abc import Iterable, Sequence

from orchestrator.cli.colors import Colors
from orchestrator.cli.transcript import NARROWEST, WIDEST, printable
from orchestrator.cli.units import duration, size
from orchestrator.events.event import happened_at
from orchestrator.events.outbox import StoppedSink, Undelivered

HEADINGS = ("CALL", "SEQ", "TYPE", "SINK", "STATE", "TRIES")
RIGHT_ALIGNED = (1, 5)
INDENT = "    "


def table(deliveries: Sequence[Undelivered], stopped: Iterable[str], now: float, colors: Colors) -> list[str]:
    """Return a heading and, of each delivery, a line, and a second one that says how old it is and why it failed."""
    stopped = frozenset(stopped)
    rows = [HEADINGS, *(_row(it, stopped, now) for it in deliveries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [colors(_line(HEADINGS, widths), "dim")]
    for delivery, row in zip(deliveries, rows[1:], strict=True):
        cells = _aligned(row, widths)
        cells[4] = colors(cells[4], *_style(delivery, stopped))
        lines.append("  ".join(cells).rstrip())
        lines += [colors(INDENT + text, "dim") for text in _details(delivery, now)]
    return lines


def summary(deliveries: Sequence[Undelivered]) -> str:
    """Return how many deliveries these are, in a sentence."""
    dead = sum(it.dead_at is not None for it in deliveries)
    return f"{len(deliveries) - dead} pending, {dead} dead."


def stopped_lines(stopped: Iterable[StoppedSink], now: float, colors: Colors) -> list[str]:
    """Return a line for each sink that wants no events any more."""
    return [
        colors(f"{printable(it.sink)} has been stopped for {duration(now - it.stopped_at)}: ", "yellow")
        + f"{printable(it.reason)} `voiceagent events resume {printable(it.sink)}` delivers again."
        for it in stopped
    ]


def as_json(content: object) -> str:
    """Return indented JSON that shows every letter and does not control the terminal."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return "".join(it if it.isprintable() or it == "\n" else json.dumps(it)[1:-1] for it in text)


def _row(delivery: Undelivered, stopped: frozenset[str], now: float) -> tuple[str, ...]:
    event = delivery.entry.event
    return (
        printable(event.call_sid),
        str(event.seq),
        printable(event.type),
        printable(delivery.sink),
        _state(delivery, stopped, now),
        str(delivery.failures),
    )


def _state(delivery: Undelivered, stopped: frozenset[str], now: float) -> str:
    if delivery.dead_at is not None:
        return f"dead {duration(now - delivery.dead_at)}"
    if delivery.sink in stopped:
        return "stopped"
    if delivery.next_at is None:
        return "waits"
    return "now" if delivery.next_at <= now else f"in {duration(delivery.next_at - now)}"


def _style(delivery: Undelivered, stopped: frozenset[str]) -> tuple[str, ...]:
    if delivery.dead_at is not None:
        return ("red",)
    return ("yellow",) if delivery.failures or delivery.sink in stopped else ()


def _details(delivery: Undelivered, now: float) -> list[str]:
    said = f"{duration(now - happened_at(delivery.entry.event))} old, {size(delivery.bytes)}"
    if delivery.error:
        said += f": {printable(' '.join(delivery.error.split()))}"
    width = min(shutil.get_terminal_size().columns, WIDEST) - len(INDENT)
    return textwrap.wrap(said, max(NARROWEST, width))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if column in RIGHT_ALIGNED else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_aligned(row, widths)).rstrip()
