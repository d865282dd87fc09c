"""The audit of the cockpit: what it has shown during the run was true, and it answered."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from soak.faults import Injected
from soak.history_audit import Losses, audit_history
from soak.journal import CallJournal
from soak.live_audit import audit_pages, audit_stories
from soak.noticing_audit import audit_noticing
from soak.process_audit import ProcessAudit
from soak.shown import BadAnswer
from soak.spans import Span, is_troubled, merged
from soak.verdict import Verdict
from soak.watcher import Watcher
from support.deployment import Deployment
from support.lives import Life

AFTERMATH_SECONDS = 4.0
"""For so long after something befell Redis or its network, processes find their way back."""
EDGE_SECONDS = 3.0
"""For so long around its beginning and its end a process may refuse."""
AWAY = (503, 504)
"""The statuses of an answer without Redis; a type of a problem says why."""
ROOMS = re.compile(
    r"/(web/live/|web/(findings|history_sample|presence|notices)\.py|web/api/(live|processes|incidents|history)\.py|"
    r"orchestrator/(incidents|processes|history)/)"
)
"""The cockpit's parts in a traceback."""
FAILOVERS = ("master killed", "master frozen")


def audit_cockpit(
    watcher: Watcher,
    deployment: Deployment,
    journals: Sequence[CallJournal],
    faults: Sequence[Injected],
    verdict: Verdict,
) -> None:
    """Compare what the watcher has seen with what befell the processes, and with the states and journals of the calls.

    Call it after the other audits: what happened last is shown by then.
    """
    now, until = asyncio.get_running_loop().time(), time.time()
    offset = until - now
    of_redis = [(it.kind, it.began + offset, it.ended + offset) for it in faults if it.is_of_network]
    troubles = merged((began, ended + AFTERMATH_SECONDS) for _, began, ended in of_redis)
    lives = [life for member in deployment.members for life in member.past]
    polled = watcher.polled
    verdict.cockpit["answers to polls"] = polled.answers
    verdict.cockpit["incidents"] = len(polled.incidents)
    ProcessAudit(lives, polled, troubles, until, verdict).compare()
    audit_noticing(list(polled.incidents.values()), journals, deployment.runs, now, verdict)
    names = dict(zip((page.ingress for page in watcher.pages), (it.name for it in deployment.webs), strict=True))
    own = {url: _own_troubles([it for it in lives if it.name == name]) for url, name in names.items()}
    audit_pages(watcher.pages, {url: merged([*troubles, *spans]) for url, spans in own.items()}, until, verdict)
    audit_stories(list(watcher.stories.values()), verdict)
    losses = Losses(
        lives, polled.pids, merged((began, ended) for _, began, ended in of_redis),
        [(began, ended + AFTERMATH_SECONDS) for kind, began, ended in of_redis if kind in FAILOVERS],
        polled.counted_at,
    )  # fmt: skip
    audit_history(polled, {**verdict.states, **verdict.unheard}, losses, verdict)
    audit_answers(watcher.bad, troubles, own, verdict)
    verdict.untrue += tracebacks(deployment.directory)


def _own_troubles(lives: Sequence[Life]) -> list[Span]:
    """Return when an ingress stood still, began or left."""
    spans = [(began, ended + EDGE_SECONDS) for life in lives for began, ended in life.freezes]
    for life in lives:
        spans.append((life.began - EDGE_SECONDS, life.began + EDGE_SECONDS))
        if (left := life.asked_at or life.killed_at) is not None:
            spans.append((left, (life.ended_at or left) + EDGE_SECONDS))
    return merged(spans)


def audit_answers(
    bad: Sequence[BadAnswer], troubles: Sequence[Span], own: Mapping[str, Sequence[Span]], verdict: Verdict
) -> None:
    """An error is one that the API documents, while Redis is away or the ingress begins or leaves."""
    seen: Counter[str] = Counter()
    for it in bad:
        excused = is_troubled(troubles, it.began, it.at) or is_troubled(own[it.ingress], it.began, it.at)
        is_known = it.kind.startswith("/problems/") or "/problems/" in it.kind
        if it.status in AWAY and is_known and excused:
            seen[f"answers without Redis: {it.status}"] += 1
        elif it.status == 404 and excused:
            seen["calls that were not found"] += 1
        else:
            verdict.untrue.append(f"{it.ingress}{it.path} was answered {it.status} ({it.kind}) at {it.at:.1f}")
    verdict.cockpit.update(seen)


def tracebacks(directory: Path) -> list[str]:
    """Return the tracebacks of the cockpit's parts in the logs there, each once for a log."""
    found: dict[str, None] = {}
    for log in sorted(directory.glob("*.log")):
        block: list[str] | None = None
        for line in log.read_text(errors="replace").splitlines():
            if line.strip().startswith("Traceback (most recent call last)"):
                block = []
            elif block is not None and line[:1].isspace():
                block.append(line.strip())
            elif block is not None:
                places = [each for each in block if ROOMS.search(each)]
                if places:
                    found[f"{log.name}: {line} ({places[-1]})"] = None
                block = None
    return list(found)
