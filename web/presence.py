"""What an ingress reports of itself to the other processes."""

from typing import Any

from orchestrator import clock
from orchestrator.processes.presence import ReadReport
from orchestrator.processes.report import own_report
from orchestrator.version import code_version
from web.ingress import Ingress


def report_of(ingress: Ingress) -> ReadReport:
    """Return what reads the report of `ingress`, which starts now."""
    settings, runtime = ingress.settings, ingress.runtime
    own = own_report("ingress", version=code_version(settings), agent=settings.agent, started_at=clock.now())

    def read() -> dict[str, Any]:
        return {
            **own,
            "running": len(runtime.running_turns()),
            "slots": 0,
            "draining": ingress.drain_status.is_leaving,
            "stuck_threads": 0,
            "sockets": len(ingress.sessions.call_sids),
        }

    return read
