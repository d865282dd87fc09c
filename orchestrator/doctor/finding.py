"""One thing the doctor found, and what its command exits with."""

from collections.abc import Iterable

from orchestrator.health.finding import Finding, Level

__all__ = ["Finding", "Level", "exit_code"]


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 when nothing must be changed, 1 with warnings, 2 with problems."""
    levels = {finding.level for finding in findings}
    return 2 if "problem" in levels else 1 if "warning" in levels else 0
