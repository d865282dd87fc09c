"""Which incident a call has noticed, by what is known of the process that had its turn or its socket. No I/O.

Time alone blames nobody: a client may send a request twice while another process is being killed. Only an outage of
Redis, which all processes share, needs no name.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

from orchestrator.incidents.incident import Incident, Noticed

TOUCHES_SECONDS = 1.0
REPEATED_WITHIN_SECONDS = 20.0
"""A provider waits for the answer to a webhook, and a worker for a turn that it was granted, no longer than this."""
RECONNECTED_WITHIN_SECONDS = 60.0
"""An ingress that ends has closed its sockets before, and a provider may notice late that one is lost."""
KNOWN_AFTER_SECONDS = 60.0
"""By then every incident is reported that a call can have noticed: a lost process, and one that took so long to end."""
MOST_UNEXPLAINED = 50


def is_noticed(incident: Incident, noticed: Noticed) -> bool:
    """Return whether `incident` is what the call has noticed."""
    since = noticed.at - noticed.ms / 1000
    if incident.kind == "redis_outage":
        return noticed.how in ("held", "run_again", "failed") and _touches(incident, since, noticed.at, TOUCHES_SECONDS)
    who = "" if incident.process is None else incident.process.id
    what = incident.kind.partition("_")[2]
    if not who or what not in ("lost", "frozen", "stopped", "unable"):
        return False
    if noticed.how == "repeated" and who == noticed.noticed_by and what == "frozen":
        # The webhook had lain here, and is not the first one any more.
        return incident.at <= noticed.at and _touches(incident, noticed.at, noticed.at, TOUCHES_SECONDS)
    if who != noticed.process:
        return False
    match noticed.how:
        case "held":
            return what == "frozen" and _touches(incident, since, noticed.at, TOUCHES_SECONDS)
        case "repeated":  # the first webhook was not answered, so it was here then
            until = min(noticed.at, since + REPEATED_WITHIN_SECONDS)
            return what != "stopped" and _touches(incident, since, until, REPEATED_WITHIN_SECONDS)
        case "reconnected":
            until = noticed.at + (RECONNECTED_WITHIN_SECONDS if what == "stopped" else 0.0)
            return _touches(incident, since, until, RECONNECTED_WITHIN_SECONDS)
    return _touches(incident, since, noticed.at, REPEATED_WITHIN_SECONDS)


def _touches(incident: Incident, since: float, until: float, slack: float) -> bool:
    """Return whether the incident began before `until`, and was over no more than `slack` seconds before `since`."""
    over = incident.at if incident.until is None else incident.until
    if incident.kind == "worker_unable" and incident.until is None:
        over = math.inf
    return incident.at <= until + TOUCHES_SECONDS and since <= over + slack


def time_of_page(times: Mapping[str, float], shown: Sequence[str], before: str, now: float) -> tuple[float, float]:
    """Return the time from which to which a page with the incidents `shown`, after `before`, says what is unexplained:
    not of the last minute. `times` are those of all incidents, the newest first."""
    ids = list(times)
    is_last = not shown or shown[-1] == ids[-1]
    return 0.0 if is_last else times[shown[-1]], min(times.get(before, math.inf), now - KNOWN_AFTER_SECONDS)


def with_causes(
    incidents: Sequence[Incident], loose: Iterable[Noticed], oldest: float, newest: float
) -> tuple[list[Incident], list[Noticed]]:
    """Return the incidents of a page, the newest first, each with those of the `loose` notices that noticed it: the
    latest one, if there are several. And those, the newest first, that fit none: from the time between `oldest` and
    `newest` (Unix seconds)."""
    found: dict[str, list[Noticed]] = {}
    seen = {each.name for incident in incidents for each in incident.calls}
    unexplained = []
    by_process = _by_process(incidents)
    for each in loose:
        if each.name not in seen:
            seen.add(each.name)
            near = [pair for who in {"", each.process, each.noticed_by} for pair in by_process.get(who, ())]
            cause = next((it for _, it in sorted(near, key=itemgetter(0)) if is_noticed(it, each)), None)
            if cause is not None:
                found.setdefault(cause.id, []).append(each)
            elif oldest <= each.at < newest:
                unexplained.append(each)
    unexplained.sort(key=lambda each: each.at, reverse=True)
    return [it.with_calls(found.get(it.id, ())) for it in incidents], unexplained[:MOST_UNEXPLAINED]


def _by_process(incidents: Sequence[Incident]) -> Mapping[str, list[tuple[int, Incident]]]:
    """Return the incidents with their places by the id of their process; outages of Redis, which all share, by ""."""
    found: defaultdict[str, list[tuple[int, Incident]]] = defaultdict(list)
    for place, incident in enumerate(incidents):
        if incident.kind == "redis_outage":
            found[""].append((place, incident))
        elif incident.process is not None:
            found[incident.process.id].append((place, incident))
    return found
