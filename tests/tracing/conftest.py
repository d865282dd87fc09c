"""A collector, and processes that export to it at once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from support.ingress import redirect_of
from support.otlp_collector import OtlpCollector
from support.processes import ProductProcess, WebProcess
from support.puppet import STAGE, Strings

from orchestrator.provider_simulator.identity import CallIdentity

AGENT = "support.puppet:reply"
MOST_FILLERS = 20
AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "50"}

Start = Callable[..., Any]


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as running:
        yield running


@pytest.fixture
def strings(tmp_path: Path) -> Strings:
    stage = tmp_path / "stage"
    stage.mkdir()
    return Strings(stage)


@pytest.fixture
def start(tmp_path: Path, redis_url: str, collector: OtlpCollector, strings: Strings) -> Iterator[Start]:
    """`start(WebProcess, AGENT="…")` starts a process whose spans are collected."""
    common = {
        "AGENT": AGENT, STAGE: str(strings.directory), "RUNS_FILE": str(tmp_path / "runs"), **AT_ONCE,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "WORKER_VERSION": "v7",
    }  # fmt: skip
    with ExitStack() as stack:

        def start(kind: type[ProductProcess], **settings: Any) -> ProductProcess:
            agents = settings.pop("agents", Path(__file__).parents[1])
            given = {**common, **settings}
            process: ProductProcess = stack.enter_context(
                kind(tmp_path, redis_url=redis_url, agents=agents, **{k: v for k, v in given.items() if v is not None})
            )
            return process

        yield start


class Caller:
    """A call over webhooks."""

    def __init__(self, web: WebProcess, call_sid: str) -> None:
        self.call_sid = call_sid
        self._web = web
        self._identity = CallIdentity(call_sid)

    def post(self, path: str, *, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        form = self._identity.fields(fields.pop("CallStatus", "in-progress"), fields)
        return httpx.post(self._web.url + path, data=form, headers=headers, timeout=60)

    def ring(self, **options: Any) -> httpx.Response:
        return self.post("/twilio/voice", CallStatus="ringing", **options)

    def say(self, number: int, words: str, **options: Any) -> httpx.Response:
        return self.post(f"/twilio/turn/{number}", SpeechResult=words, **options)

    def hear(self, answer: httpx.Response) -> str:
        """Listen to fillers until the reply comes."""
        for _ in range(MOST_FILLERS):
            document = ElementTree.fromstring(answer.text)
            if document.find("Gather") is not None:
                return answer.text
            answer = self.post(redirect_of(document))
        raise AssertionError(f"{MOST_FILLERS} fillers in a row")


@pytest.fixture
def call() -> Callable[[WebProcess, str], Caller]:
    """`call(web, "CA1")`: a call at this ingress."""
    return Caller
