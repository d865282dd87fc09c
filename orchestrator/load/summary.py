"""The result of a load: figures for programs, and a table for people."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.load.audit import Findings
from orchestrator.load.results import CallResults

PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


@dataclass(frozen=True)
class Summary:
    """A finished load run. `seconds` is how long it took, without its audit."""

    results: CallResults
    findings: Findings
    seconds: float
    interrupted: bool = False

    @property
    def is_sound(self) -> bool:
        """True if every turn was answered, and none was lost, doubled, out of order, or heard otherwise than kept."""
        results, found = self.results, self.findings
        return not (
            results.unanswered or results.errors or found.lost or found.doubled or found.reordered or found.wrong
            or found.misheard or found.unread
        )  # fmt: skip

    @property
    def _latencies(self) -> dict[str, list[float]]:
        return {
            "greeting": self.results.first_words(greetings=True),
            "first words": self.results.first_words(greetings=False),
            "whole answer": self.results.answers(),
        }

    def figures(self) -> dict[str, Any]:
        """Return seconds and counts, ready for JSON."""
        results = self.results
        turns = sum(turn.answered is not None for turn in results.turns)
        return {
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
            "calls": len(results.calls),
            "ended_by_agent": sum(call.ended_early for call in results.calls),
            "turns_answered": turns,
            "turns_unanswered": results.unanswered,
            "turns_per_second": round(turns / self.seconds, 1) if self.seconds else 0.0,
            "retries": results.retries,
            "latency_seconds": {
                name: {label: round(value, 5) for label, value in percentiles(values).items()}
                for name, values in self._latencies.items()
                if values
            },
            "errors": dict(results.errors.most_common()),
            "audit": asdict(self.findings),
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines that a person reads."""
        figures = self.figures()
        yield f"{figures['calls']} calls, {figures['turns_answered']} turns answered in {self.seconds:.1f} s: " + (
            f"{figures['turns_per_second']:g} a second" + (" (interrupted)" if self.interrupted else "")
        )
        yield from self._table()
        if figures["ended_by_agent"]:
            yield f"The agent ended {figures['ended_by_agent']} calls before the caller had said everything."
        if self.results.retries:
            yield f"Webhooks were tried again {self.results.retries} times."
        yield from (f"{count:>6} × {kind}" for kind, count in self.results.errors.most_common())
        if figures["turns_unanswered"]:
            yield f"Turns without an answer: {figures['turns_unanswered']}."
        yield from self._audit()

    def _table(self) -> Iterator[str]:
        measured = {name: values for name, values in self._latencies.items() if values}
        if measured:
            yield f"\n{'ms':14}" + "".join(f"{label:>10}" for label, _ in PERCENTILES)
            for name, values in measured.items():
                yield f"{name:14}" + "".join(f"{1000 * value:>10,.1f}" for value in percentiles(values).values())
        yield ""

    def _audit(self) -> Iterator[str]:
        found = self.findings
        if found.impossible:
            yield f"Not audited: {found.impossible}."
            return
        yield f"Audit of {found.calls} calls, {found.turns} turns: {found.lost} lost, {found.doubled} doubled."
        if found.reordered or found.wrong:
            yield f"Calls out of order: {found.reordered}. Answers heard otherwise than kept: {found.wrong}."
        odd = {outcome: count for outcome, count in found.outcomes.items() if outcome != "replied"}
        if odd:
            yield "Outcomes: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(odd.items())) + "."
        if found.cut_off:
            yield f"Answers cut off: {found.cut_off}; of {found.misheard} the state keeps other words than were heard."
        if found.dead_lines:
            yield f"Said into a line that broke, and not in the state: {found.dead_lines}."
        if found.unread:
            yield f"The states of {found.unread} calls could not be read."
        yield from (f"  {example}" for example in found.examples)


def percentiles(values: list[float]) -> dict[str, float]:
    """Return the percentiles: label → value."""
    ordered = sorted(values)
    return {label: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for label, share in PERCENTILES}
