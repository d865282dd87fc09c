"""What a minute of the history holds: the names of amounts, and how those of several processes become one."""

import json
import math
from collections.abc import Iterable, Mapping

from orchestrator.process_metrics.families import SUM, CountKey, Counts

MINUTE = 60
KEPT_SECONDS = 25 * 3600
"""How long a minute is kept after the last change: a day, and the hour in which the oldest step began."""
MOST_NAMES = 600
"""In a minute. All names that there are: a limit of each stage, an outcome of turns, and a few."""
MOST_BYTES = 64_000
"""Of a minute: what is longer was not written by us."""

Amounts = dict[str, float]
"""Name of an amount → the amount: `turns.replied`, `stage.reply.0.12`. The highest of all counts of those that begin
with `MAX`, the lowest of those that begin with `MIN`; all others are added up."""
MAX, MIN = "max.", "min."


def minute_of(moment: float) -> int:
    """Return when the minute began that `moment` belongs to (both Unix seconds)."""
    return int(moment // MINUTE) * MINUTE


def name_of(key: CountKey) -> str | None:
    """Return the name of a count in the history; None for what it does not have."""
    if key.part == SUM:
        return None
    return ".".join(filter(None, (key.metric, *key.labels, key.part)))


def amounts_of(counts: Counts) -> Amounts:
    """Return `counts` by their names in the history."""
    return {name: value for key, value in counts.items() if (name := name_of(key)) is not None}


def merged(into: Amounts, more: Mapping[str, float], most: int = MOST_NAMES) -> Amounts:
    """Add `more` to `into`, and return it. A name beyond `most` is left out. `add_history.lua` does the same."""
    for name, amount in more.items():
        there = into.get(name)
        if there is None:
            if len(into) < most:
                into[name] = amount
        elif name.startswith(MAX):
            into[name] = max(there, amount)
        elif name.startswith(MIN):
            into[name] = min(there, amount)
        else:
            into[name] = there + amount
    return into


def all_merged(minutes: Iterable[Mapping[str, float]]) -> Amounts:
    """Return the amounts of several minutes as those of one."""
    total: Amounts = {}
    for minute in minutes:
        merged(total, minute)
    return total


def read_amounts(stored: bytes | str | None) -> Amounts:
    """Return the amounts in the JSON of a minute, without what is none: others may have written it."""
    if not stored or len(stored) > MOST_BYTES:
        return {}
    try:
        found = json.loads(stored)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: float(amount) for name, amount in found.items() if _is_amount(amount)}


def _is_amount(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
