"""How a turn is tried again whose worker was lost: so that it takes no other turn with it, and the guilty is found."""

from orchestrator.agents.protocol import Lane

MOST_ATTEMPTS = 3
"""The third is made in a process that runs nothing else: what takes that down is to blame, and given up."""
MOST_ATTEMPTS_ALONE = 6
"""A turn that was alone in its process from the third attempt on, and whose worker was lost each time, is given up."""


def lane_of(attempt: int) -> Lane:
    """Where an attempt is made.

    The turns of a lost worker are suspects: one of them may have taken it down, or frozen it, and the others ran beside
    it. None is run again inside a worker, which has other calls. The second attempt shares a process with other
    suspects, so that the many turns of a worker that merely died are run at once.
    """
    if attempt == 1:
        return "own"
    return "shared" if attempt < MOST_ATTEMPTS else "alone"
