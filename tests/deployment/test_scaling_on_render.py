"""The script that scales workers on Render, against a Render's API and a VoiceAgent of the test."""

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prometheus_client import generate_latest

from orchestrator.process_metrics import gauges
from web.fleet_metrics import worker_gauges

SCRIPT = Path(__file__).parents[2] / "deploy/render/scale_workers.py"
BOUNDS = {"least": 2, "most": 10, "target": 0.6}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scale_workers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page:
    """`/metrics/fleet` with so many workers, of whose ten slots so many are busy."""

    def __init__(self, workers: int, busy: int) -> None:
        self._values = worker_gauges([{"slots": 10, "running": busy, "version": "1"}] * workers)

    def collect(self) -> Any:
        return gauges.gauge_families({gauges.REDIS_UP: {(): 1}, **self._values})

    def __str__(self) -> str:
        return generate_latest(self).decode()


@pytest.mark.parametrize(
    ("workers", "busy", "count"),
    [
        (4, 6, None),  # at the target
        (4, 7, None),  # near to it
        (4, 9, 6),
        (4, 10, 7),
        (8, 10, 10),  # no more than allowed
        (10, 10, None),
        (4, 1, 3),  # one at a time
        (2, 0, None),  # no fewer than allowed
        (1, 6, 2),
        (12, 6, 10),
        (0, 0, None),  # no worker reports
    ],
)
def test_how_many_there_should_be(script: ModuleType, workers: int, busy: int, count: int | None) -> None:
    assert script.wanted(str(Page(workers, busy)), **BOUNDS) == count


def test_while_redis_is_down_nothing_is_scaled(script: ModuleType) -> None:
    assert script.wanted("voiceagent_redis_up 0.0\n", **BOUNDS) is None
    assert script.wanted("", **BOUNDS) is None


@pytest.fixture
def serve() -> Iterator[Callable[[str], tuple[str, list[tuple[str, str, Any]]]]]:
    """`serve(page)`: its URL, and what is asked of it: path, key and body."""
    servers: list[ThreadingHTTPServer] = []

    def start(page: str) -> tuple[str, list[tuple[str, str, Any]]]:
        asked: list[tuple[str, str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, body: Any) -> None:
                asked.append((self.path, self.headers["Authorization"], body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("busy", "orders"), [(10, 1), (6, 0)])
def test_it_reads_the_page_and_asks_render(script: ModuleType, serve: Any, busy: int, orders: int) -> None:
    url, asked = serve(str(Page(4, busy)))
    render, ordered = serve("{}")
    environment = {
        "METRICS_URL": f"{url}/metrics/fleet", "API_KEY": "ours", "RENDER_API_KEY": "theirs",
        "RENDER_SERVICE_ID": "srv-1", "RENDER_API_URL": render,
    }  # fmt: skip
    assert script.main(environment) == 0
    assert asked == [("/metrics/fleet", "Bearer ours", None)]
    assert ordered == [("/services/srv-1/scale", "Bearer theirs", {"numInstances": 7})] * orders
