"""What a run has shown: figures for programs, a table for people, and what is wrong."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.chaos.faults import Fault
from orchestrator.chaos.noticing import Waits
from orchestrator.load.summary import PERCENTILES, Summary, percentiles

SHOWN = 20


@dataclass(frozen=True)
class Judgement:
    """A finished run. `processes` are how many there were of each role, `process_findings` what was wrong with them.

    `unexplained` counts turns that took longer than usual without a fault.
    """

    seed: int
    processes: Counter[str]
    faults: list[Fault]
    load: Summary
    waits: Waits
    unexplained: int
    process_findings: list[str]

    @property
    def findings(self) -> list[str]:
        """Return a sentence for everything that must not be. None: the run is clean.

        Callers of a run that was interrupted hang up in the middle of turns.
        """
        results, found = self.load.results, self.load.findings
        counted = [
            (found.lost, "turns that were answered are lost"),
            (found.doubled, "turns are in the state more than once"),
            (found.reordered, "calls have their turns in another order than they were said"),
            (found.wrong, "answers were heard otherwise than the state has them"),
            (found.misheard, "answers that were cut off are kept otherwise than they were heard"),
            (0 if self.load.interrupted else results.unanswered, "turns were never answered"),
            (found.unread, "calls could not be read after the run"),
        ]
        return [
            *(f"{count} {what}" for count, what in counted if count),
            *(f"{count} calls ended with an error: {kind}" for kind, count in results.errors.most_common()),
            *([f"not audited: {found.impossible}"] if found.impossible else []),
            *found.remarks,
            *self.process_findings,
        ]

    @property
    def is_clean(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings

    @property
    def noticed(self) -> set[str]:
        """Return the calls that noticed a fault."""
        return {call for fault in self.faults for call in fault.calls}

    def figures(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {
            "seed": self.seed,
            "is_clean": self.is_clean,
            "findings": self.findings,
            "processes": dict(self.processes),
            "faults": [fault.as_dict() for fault in self.faults],
            "calls_that_noticed": len(self.noticed),
            "turns_late_without_a_fault": self.unexplained,
            "waits_seconds": {
                name: {label: round(value, 3) for label, value in percentiles(seconds).items()}
                for name, seconds in asdict(self.waits).items()
                if seconds
            },
            "load": self.load.figures(),
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines that a person reads."""
        results, found = self.load.results, self.load.findings
        kinds = Counter(fault.kind for fault in self.faults)
        answered = sum(turn.answered is not None for turn in results.turns)
        worst = max((fault.worst_ms for fault in self.faults), default=0.0)
        yield from _rows(
            ("seed", self.seed),
            ("processes", ", ".join(f"{role}: {count}" for role, count in sorted(self.processes.items()))),
            ("faults", f"{len(self.faults)} ({', '.join(f'{count} {kind}' for kind, count in kinds.most_common())})"),
            ("calls", f"{len(results.calls)}, of which {len(self.noticed)} noticed a fault"),
            ("turns answered", answered),
            ("turns lost", found.lost),
            ("turns doubled", found.doubled),
            ("calls out of order", found.reordered),
            ("answers wrong", found.wrong),
            ("turns without an answer", results.unanswered),
            ("answered with an apology", found.outcomes.get("failed", 0)),
            ("longest that a fault delayed a turn", f"{worst / 1000:.1f} s"),
        )
        yield ""
        yield from self._waits()
        yield from self._noticed()
        yield "Nothing was lost, doubled, out of order or wrong." if self.is_clean else "Found:"
        yield from (f"  {finding}" for finding in self.findings[:SHOWN])
        yield from (f"  e.g. {example}" for example in found.examples)
        if len(self.findings) > SHOWN:
            yield f"  … and {len(self.findings) - SHOWN} more; --json has all"

    def _waits(self) -> Iterator[str]:
        yield f"{'first words, ms':30}" + "".join(f"{label:>10}" for label, _ in PERCENTILES)
        for name, seconds in (("in the calm before", self.waits.calm), ("under faults", self.waits.under_faults)):
            if seconds:
                yield f"{name:30}" + "".join(f"{1000 * value:>10,.0f}" for value in percentiles(seconds).values())
        yield ""

    def _noticed(self) -> Iterator[str]:
        noticed = sorted((fault for fault in self.faults if fault.calls), key=lambda fault: -fault.worst_ms)
        for fault in noticed[:SHOWN]:
            calls = f"{len(fault.calls)} calls" if len(fault.calls) > 1 else "1 call"
            yield f"{fault}: {calls} noticed, the most by {fault.worst_ms / 1000:.1f} s"
        if noticed:
            yield ""


def _rows(*rows: tuple[str, object]) -> Iterator[str]:
    for name, value in rows:
        yield f"{name:40}{value}"
