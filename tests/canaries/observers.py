"""Watches a run from outside: every message over pub/sub, and every page that can be requested."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from urllib.parse import quote

import httpx
from canaries.canary import Canary, Search
from canaries.redis_places import PUBSUB
from redis.asyncio import Redis
from redis.exceptions import RedisError
from support.deployment import API_KEY

from web.api.openapi.routes import routes as openapi_routes
from web.api.routes import routes as api_routes
from web.dashboard.routes import routes as dashboard_routes

WHOLE, READ, NOBODY, METRICS = "API: key with admin", "API: key with read", "pages without a key", "metrics"
PAGES = ("/livez", "/readyz", "/health", "/health/detailed", "/nowhere")
METRIC_PAGES = ("/metrics", "/metrics/fleet")
VISIT_SECONDS = 1.5
STREAM_SECONDS = 1.5
SAMPLE = 90
"""Bytes on either side."""
FEW_CALLS = 4
"""Calls whose own pages are requested at each visit of a run; after it, those of all are."""
ALL_CALLS = 1000


class Findings:
    """Which canaries were found in which place. `samples` has by place and canary what stands around it there."""

    def __init__(self, search: Search) -> None:
        self.found: defaultdict[str, set[Canary]] = defaultdict(set)
        self.read: defaultdict[str, int] = defaultdict(int)
        self.samples: dict[tuple[str, str], str] = {}
        self._search = search

    def look(self, place: str, content: bytes) -> None:
        """Search `content`, which was in `place`."""
        self.read[place] += len(content)
        found = self._search.found_in(content)
        for canary in found - self.found[place]:
            self.samples[place, canary.name] = _around(canary, content)
        self.found[place] |= found


def _around(canary: Canary, content: bytes) -> str:
    """What stands around a canary, if it is there as it is written, with its name in place of it."""
    before, core, behind = content.partition(canary.core)
    if not core:
        return "in another spelling, or a part of it"
    return f"{before[-SAMPLE:].decode(errors='replace')}<{canary.name}>{behind[:SAMPLE].decode(errors='replace')}"


async def record_messages(url: str, findings: Findings) -> None:
    """Note what is published, without end; while the server is away, nothing is."""
    while True:
        with suppress(RedisError, OSError):
            async with Redis.from_url(url) as client, client.pubsub() as subscription:
                await subscription.psubscribe("*")
                async for message in subscription.listen():
                    if message["type"] == "pmessage":
                        findings.look(PUBSUB, message["channel"] + b" " + message["data"])
        await asyncio.sleep(0.1)


async def _answer(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> bytes:
    """Return content and headers; of a stream without an end what comes in its first `STREAM_SECONDS`."""
    async with client.stream("GET", path, headers=headers) as answer:
        content = str(answer.headers).encode()
        with suppress(TimeoutError):
            async with asyncio.timeout(STREAM_SECONDS if path.endswith("/live") else None):
                async for part in answer.aiter_bytes():
                    content += part
        return content


class Visitor:
    """Requests every GET route, with a key that may do everything, with one that reads, and with none."""

    def __init__(self, ingresses: list[str], read_secret: str, findings: Findings) -> None:
        self._ingresses = ingresses
        self._findings = findings
        self._credentials = {
            WHOLE: {"Authorization": f"Bearer {API_KEY}"},
            READ: {"Authorization": f"Bearer {read_secret}"},
            NOBODY: {},
        }

    async def visit_for_ever(self) -> None:
        """Again and again, at each ingress in turn."""
        number = 0
        while True:
            await self.visit(self._ingresses[number % len(self._ingresses)])
            number += 1
            await asyncio.sleep(VISIT_SECONDS)

    async def visit(self, ingress: str, most_calls: int = FEW_CALLS) -> None:
        """Once, as all three. An ingress that is away has no pages."""
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(base_url=ingress, timeout=30) as client:
                call_sids = (await self._call_sids(client))[:most_calls]
                for place, headers in self._credentials.items():
                    for path in self._paths(call_sids, is_last=most_calls == ALL_CALLS):
                        told = METRICS if path in METRIC_PAGES else place
                        self._findings.look(told, await _answer(client, path, headers))

    async def _call_sids(self, client: httpx.AsyncClient) -> list[str]:
        found: dict[str, None] = {}
        for path, name in (("/calls", "calls"), ("/records", "records"), ("/events", "events")):
            answer = await client.get(f"{path}?limit={ALL_CALLS}", headers=self._credentials[WHOLE])
            if answer.status_code == 200:
                found |= {item["call_sid"]: None for item in answer.json()[name]}
        return list(found)

    def _paths(self, call_sids: list[str], *, is_last: bool) -> list[str]:
        routes = (*api_routes, *dashboard_routes, *(openapi_routes if is_last else ()))
        templates = [route.path for route in routes if "GET" in (route.methods or ())]
        plain = [path for path in templates if "{" not in path]
        of_calls = [path for path in templates if "{call_sid}" in path]
        each = [
            path.replace("{call_sid}", quote(call_sid, safe="")).replace("{position}", "1")
            for number, call_sid in enumerate(call_sids)
            for path in of_calls
            if not (number and path.endswith("/live"))  # a stream takes a while
        ]
        return [*plain, *PAGES, *METRIC_PAGES, *each]
