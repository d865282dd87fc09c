"""What an ingress reports of itself to the other processes."""

from typing import Any

from orchestrator import clock
from orchestrator.incidents.incident import ProcessName
from orchestrator.processes.presence import ReadReport
from orchestrator.processes.report import own_report
from orchestrator.runtime import Runtime
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


def own_name(runtime: Runtime) -> ProcessName:
    """Return what this ingress is called in incidents."""
    report = runtime.presence.read_report()
    return ProcessName.of({**report, "id": runtime.presence.process_id}) or ProcessName(runtime.presence.process_id)


def is_cut_off(runtime: Runtime) -> bool:
    """True while this ingress cannot use Redis."""
    return runtime.breaker is not None and runtime.breaker.is_open
