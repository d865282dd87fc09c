"""What a process has counted since it last told somebody, and how that is written."""

import json
import math
from collections.abc import Iterable, Mapping

from orchestrator.process_metrics.catalog import counts_of
from orchestrator.process_metrics.families import CountKey, Counts, Family


class Changes:
    """The changes of `families` since this was made, or since the last `take`."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = tuple(families)
        self._taken = counts_of(self._families)

    def take(self) -> Counts:
        """Return what was added to each count, without those that have not changed."""
        now = counts_of(self._families)
        changed = {key: value - self._taken.get(key, 0) for key, value in now.items() if value != self._taken.get(key)}
        self._taken = now
        return changed


def key_text(key: CountKey) -> str:
    """Return the key as text: `["name",["label"],"part"]`."""
    return json.dumps(key, separators=(",", ":"), ensure_ascii=False)


def counts_as_texts(counts: Counts) -> dict[str, float]:
    """Return `counts` as JSON can have them."""
    return {key_text(key): value for key, value in counts.items()}


def counts_of_texts(texts: Mapping[str, float]) -> Counts:
    """Return the counts in `texts`, without what is none: another version, or somebody else, may have written it."""
    found = ((_key(text), value) for text, value in texts.items())
    return {key: value for key, value in found if key is not None and math.isfinite(value)}


def _key(text: str) -> CountKey | None:
    try:
        metric, labels, part = json.loads(text)
        return CountKey(str(metric), tuple(map(str, labels)), str(part))
    except (ValueError, TypeError, RecursionError):
        return None
