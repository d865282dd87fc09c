"""Where a turn is run again after its worker was lost, so that a turn that crashes processes harms no other turn."""

from orchestrator.agents.protocol import Placement

MOST_ATTEMPTS = 3
"""The third attempt has a process to itself. A turn that crashes that process becomes a dead letter."""
MOST_ATTEMPTS_ALONE = 6
"""Attempts 3 to 6 have a process to themselves. After a sixth lost worker the turn becomes a dead letter."""


def placement_of(attempt: int) -> Placement:
    """Return in which kind of process an attempt is made.

    When a worker is lost, each of its turns is suspect: one of them may have crashed or frozen it. No suspect is run
    inside a worker again, because the worker has other calls. Second attempts share one process, so that the turns of a
    worker that was merely killed are run again at once.
    """
    if attempt == 1:
        return "configured"
    return "shared" if attempt < MOST_ATTEMPTS else "alone"
