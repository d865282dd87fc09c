"""Scales the workers on Render by `voiceagent_worker_utilization`. Run it each minute, as a cron job of the blueprint.

Render's own autoscaling goes by processor and memory, of which waiting for a language model takes none. This reads
`/metrics/fleet` once and asks Render's API for another number of instances if that is due. When the number is absent,
because Redis is down or no worker reports, it changes nothing. Standard library only; needs:

    METRICS_URL        https://calls.example.com/metrics/fleet
    API_KEY            of VoiceAgent
    RENDER_API_KEY     of Render
    RENDER_SERVICE_ID  of the worker service: srv-…
    MIN_WORKERS, MAX_WORKERS, TARGET   2, 10 and 0.6 if they are not set
"""

import json
import math
import os
import re
import sys
import urllib.request

SECONDS = 10
SLACK = 0.15
"""Nothing changes while the utilization is this near to the target."""


def figure(page: str, name: str, labels: str = "") -> float | None:
    """Return the sum of a metric's samples whose labels contain `labels`; None if there is none."""
    samples = re.findall(rf"^{name}(\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE)
    values = [float(value) for found, value in samples if labels in found]
    return sum(values) if values else None


def wanted(page: str, *, least: int, most: int, target: float) -> int | None:
    """Return how many workers there should be; None to leave them as they are."""
    utilization = figure(page, "voiceagent_worker_utilization")
    running = figure(page, "voiceagent_fleet_workers", 'state="running"')
    if utilization is None or not running or math.isnan(utilization):
        return None
    if least <= running <= most and abs(utilization - target) <= SLACK:
        return None
    count = math.ceil(running * utilization / target)
    if count < running:  # one at a time: a worker that leaves lets its turns finish first
        count = int(running) - 1
    count = min(max(count, least), most)
    return None if count == running else count


def ask(url: str, key: str, body: object = None) -> str:
    """Return what `url` answers; `body` is posted as JSON."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=SECONDS) as answer:
        return str(answer.read().decode())


def main(environment: "os._Environ[str] | dict[str, str]") -> int:
    """Scale once. Return the exit code."""
    page = ask(environment["METRICS_URL"], environment["API_KEY"])
    count = wanted(
        page,
        least=int(environment.get("MIN_WORKERS", "2")),
        most=int(environment.get("MAX_WORKERS", "10")),
        target=float(environment.get("TARGET", "0.6")),
    )
    if count is not None:
        api = environment.get("RENDER_API_URL", "https://api.render.com/v1")
        url = f"{api}/services/{environment['RENDER_SERVICE_ID']}/scale"
        ask(url, environment["RENDER_API_KEY"], {"numInstances": count})
        sys.stdout.write(f"scaled to {count} workers\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
