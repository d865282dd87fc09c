"""What `voiceagent top` says of health, figures, findings, processes and calls. No I/O."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from orchestrator.cli.drain_progress import SHOWN_ID
from orchestrator.cli.top_state import LiveState, Row
from orchestrator.cli.transcript import printable
from orchestrator.cli.units import duration
from orchestrator.processes.drain import place_of

PROCESS_HEADINGS = ("PROCESS", "ROLE", "STATE", "PLACE", "VERSION", "BUSY", "RUNS FOR")
CALL_HEADINGS = ("CALL", "FROM", "SINCE", "TURNS", "AGENT", "HEALTH", "LAST WORDS")
HEALTH_STYLES = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
STATE_STYLES = {"lost": "red", "silent": "yellow", "draining": "yellow"}
CALL_STYLES = {"failing": "red", "slow": "yellow"}
LEVEL_STYLES = {"problem": "red", "warning": "yellow"}
WHY = {
    "waits": "waits for a word", "run_again": "run again", "failed": "its last turn failed", "held": "held",
    "dead_letter": "given up",
}  # fmt: skip


def health_of(state: LiveState) -> tuple[str, str]:
    """Return the health in a sentence, and its style."""
    overview = state.overview or {}
    status = str(overview.get("status") or "unknown")
    checks = overview.get("checks")
    bad = [
        str(check.get("message"))
        for check in (checks.values() if isinstance(checks, dict) else ())
        if isinstance(check, dict) and check.get("status") in ("degraded", "unhealthy") and check.get("message")
    ]
    told = [*([str(overview["trouble"])] if overview.get("trouble") else []), *bad]
    sentence = f"{status.capitalize()}." if not told else f"{status.capitalize()}: {' '.join(told)}"
    return printable(sentence), HEALTH_STYLES.get(status, "yellow")


def figures_of(state: LiveState) -> str:
    """Return the figures as one line."""
    overview = state.overview or {}
    turns, waiting = _mapping(overview.get("turns")), _mapping(overview.get("waiting"))
    running, waits = whole(overview.get("running")), whole(waiting.get("count"))
    parts = [_counted(state.active, "call"), f"{_counted(running, 'turn')} running"]
    if waits:
        seconds = waiting.get("seconds")
        parts.append(f"{waits} without a word" + (f" for {seconds:.1f} s" if _is_number(seconds) else ""))
    shown = [f"{name} {turns[name]:.2f} s" for name in ("p50", "p95") if _is_number(turns.get(name))]
    alive = [process for process in state.items("processes") if process.get("state") != "lost"]
    workers = [process for process in alive if process.get("role") == "worker"]
    if workers:
        busy, slots = (sum(whole(worker.get(name)) for worker in workers) for name in ("running", "slots"))
        shown.append(f"{_counted(len(workers), 'worker')}, {busy} of {slots} turns at once")
    return " · ".join(parts + shown)


def findings_of(state: LiveState, now: float) -> Iterator[tuple[str, str]]:
    """Yield each finding as a sentence, with its style: what is wrong, what to do, since when, and which calls."""
    for finding in state.items("findings"):
        told = [str(finding.get(name)) for name in ("message", "advice") if finding.get(name)]
        notes = [f"for {since(finding['since'], now)}"] if finding.get("since") else []
        if count := whole(_mapping(finding.get("calls")).get("count")):
            notes.append(f"noticed by {_counted(count, 'call')}")
        text = " ".join(told) + (f" ({', '.join(notes)})" if notes else "")
        yield printable(text), LEVEL_STYLES.get(str(finding.get("level")), "cyan")


def process_row(process: Row, now: float) -> tuple[tuple[str, ...], str]:
    """Return the cells of a process, and their style."""
    is_worker = process.get("role") == "worker"
    busy = (
        f"{whole(process.get('running'))} of {whole(process.get('slots'))} turns"
        if is_worker
        else _counted(whole(process.get("sockets")), "socket")
    )
    place = place_of({"host": str(process.get("host") or ""), "pid": process.get("pid")})
    told = str(process.get("state") or "-")
    if told in ("lost", "silent"):
        told = f"{told} for {since(process.get('seen_at'), now)}"
    cells = (
        str(process.get("id") or "-")[:SHOWN_ID], str(process.get("role") or "-"), told, place,
        str(process.get("version") or "-"), busy,
        "-" if process.get("state") == "lost" else since(process.get("started_at"), now),
    )  # fmt: skip
    return tuple(map(printable, cells)), STATE_STYLES.get(str(process.get("state")), "")


def call_row(call: Row, now: float) -> tuple[tuple[str, ...], str]:
    """Return the cells of a call, and their style."""
    health, last = str(call.get("health") or "-"), _mapping(call.get("last"))
    why = WHY.get(str(call.get("why")), str(call.get("why") or ""))
    words = f"{'agent' if last.get('by') == 'agent' else 'caller'} › {last.get('text')}" if last else ""
    cells = (
        str(call.get("call_sid") or "-"), str(call.get("from_number") or "-"), since(call.get("created_at"), now),
        str(whole(call.get("turns"))), str(call.get("agent") or "-"), f"{health}: {why}" if why else health, words,
    )  # fmt: skip
    return tuple(printable(" ".join(cell.split())) for cell in cells), CALL_STYLES.get(health, "")


def since(moment: object, now: float) -> str:
    """Return how long ago a time was that the server told; "-" if it told none."""
    try:
        return duration(now - datetime.fromisoformat(str(moment)).timestamp())
    except (ValueError, OverflowError, OSError):
        return "-"


def whole(value: object) -> int:
    """Return a count that the server told; 0 for none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
