"""What a run of the soak has shown: a table, or JSON."""

import dataclasses
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from soak.faults import Injected
from soak.journal import CallJournal, Exchange
from soak.verdict import Verdict

AFTERMATH_SECONDS = 3.0
"""For so long after a fault a silence counts as one under a fault."""
SHOWN = 20


@dataclass(frozen=True)
class Waits:
    """How long callers waited, in seconds."""

    count: int
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Waits":
        """The distribution of `seconds`."""
        ordered = sorted(seconds) or [0.0]
        at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99)]
        return cls(len(seconds), *(round(value, 3) for value in [*at, ordered[-1]]))


@dataclass(frozen=True)
class Report:
    """All figures of one run."""

    seed: int
    seconds: float
    callers: int
    calls: int
    turns: int
    copies: int
    retries: int
    overlong: int
    ran_again: int
    faults: dict[str, int]
    heard: dict[str, int]
    outcomes: dict[str, int]
    lost: int
    doubled: int
    reordered: int
    wrong: int
    dead: int
    late: int
    untrue: int
    relay: dict[str, int]
    sinks: dict[str, int]
    desks: dict[str, int]
    versions: dict[str, int]
    living: dict[str, int]
    cockpit: dict[str, int]
    left_behind: int
    exits: int
    bad_leavings: int
    silence_calm: Waits
    silence_under_fault: Waits
    relay_calm: Waits
    relay_under_fault: Waits
    answer_calm: Waits
    answer_under_fault: Waits
    timers_late: Waits
    timers_late_excused: Waits
    lost_named: Waits
    findings: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found that must not be."""
        return not (self.findings or self.exits or self.bad_leavings)

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return dataclasses.asdict(self)

    def table(self) -> str:
        """For people."""
        faults = sum(self.faults.values())
        rows: list[tuple[str, object]] = [
            ("seed", self.seed), ("seconds", round(self.seconds)), ("callers at once", self.callers),
            ("calls", self.calls), ("turns", self.turns), ("further copies of webhooks", self.copies),
            ("requests sent again", self.retries), ("requests without an answer in time", self.overlong),
            ("agent runs repeated", self.ran_again), ("faults", faults),
            *((f"  {kind}", count) for kind, count in sorted(self.faults.items())),
            *((f"heard: {kind}", count) for kind, count in sorted(self.heard.items())),
            *((f"recorded: {kind}", count) for kind, count in sorted(self.outcomes.items())),
            *((f"relay: {kind}", count) for kind, count in sorted(self.relay.items())),
            *((what, count) for what, count in sorted((self.sinks | self.desks | self.versions | self.living).items())),
            *((f"cockpit: {what}", count) for what, count in sorted(self.cockpit.items())),
            ("lost", self.lost), ("doubled", self.doubled), ("reordered", self.reordered),
            ("wrong answers", self.wrong), ("words of a dead run heard", self.dead),
            ("timers too late", self.late), ("shown and not true", self.untrue),
            ("left behind in Redis", self.left_behind),
            ("processes that exited by themselves", self.exits), ("processes that left badly", self.bad_leavings),
        ]  # fmt: skip
        lines = [f"{name:<52}{value:>10}" for name, value in rows]
        lines += ["", f"{'seconds':<28}{'n':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'longest':>9}"]
        for name, waits in (
            ("silence, calm", self.silence_calm),
            ("silence, under a fault", self.silence_under_fault),
            ("first word on a relay, calm", self.relay_calm),
            ("the same, under a fault", self.relay_under_fault),
            ("answer, calm", self.answer_calm),
            ("answer, under a fault", self.answer_under_fault),
            ("timers late", self.timers_late),
            ("the same, without outages", self.timers_late_excused),
            ("until a killed one is named", self.lost_named),
        ):
            lines.append(
                f"{name:<28}{waits.count:>8}{waits.p50:>8.3f}{waits.p95:>8.3f}{waits.p99:>8.3f}{waits.longest:>9.3f}"
            )
        if self.findings:
            lines += ["", *self.findings[:SHOWN]]
            lines += [f"… and {len(self.findings) - SHOWN} more"] if len(self.findings) > SHOWN else []
        return "\n".join(lines)


def waits_of(
    journals: list[CallJournal], faults: list[Injected], end: str, channels: Collection[str]
) -> tuple[Waits, Waits]:
    """Calm, and under a fault: from sending until `end` (`sound_at` or `answered_at`), on these channels."""
    calm: list[float] = []
    under: list[float] = []
    for exchange in (e for journal in journals if journal.channel in channels for e in journal.exchanges):
        till = getattr(exchange, end)
        if till is not None:
            (under if _under_fault(exchange, till, faults) else calm).append(till - exchange.sent_at)
    return Waits.of(calm), Waits.of(under)


def _under_fault(exchange: Exchange, till: float, faults: list[Injected]) -> bool:
    return any(fault.began <= till and exchange.sent_at <= fault.ended + AFTERMATH_SECONDS for fault in faults)


def heard_of(journals: list[CallJournal]) -> Counter[str]:
    """How the turns came out to the callers."""
    return Counter(exchange.heard for journal in journals for exchange in journal.exchanges)


def counts(verdict: Verdict) -> dict[str, int]:
    """How many findings of each kind."""
    kinds = ("lost", "doubled", "reordered", "wrong", "dead", "late", "untrue", "left_behind")
    return {name: len(getattr(verdict, name)) for name in kinds}
