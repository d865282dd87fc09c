"""A collector of traces on loopback: OTLP over HTTP, read with the messages of opentelemetry-proto."""

import gzip
import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from support.waiting import wait_until_sync

MODES = ("take", "refuse", "hang", "babble", "nonsense")


@dataclass(frozen=True)
class Span:
    """One span, with the name of the service and of the scope that made it. Times are Unix nanoseconds."""

    service: str
    scope: str
    proto: trace_pb2.Span
    attributes: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.proto.name)

    @property
    def trace_id(self) -> str:
        return self.proto.trace_id.hex()

    @property
    def span_id(self) -> str:
        return self.proto.span_id.hex()

    @property
    def parent_id(self) -> str:
        return self.proto.parent_span_id.hex()

    @property
    def kind(self) -> str:
        return trace_pb2.Span.SpanKind.Name(self.proto.kind).removeprefix("SPAN_KIND_")

    @property
    def is_failed(self) -> bool:
        return bool(self.proto.status.code == trace_pb2.Status.STATUS_CODE_ERROR)

    @property
    def links(self) -> list[tuple[str, str]]:
        """Trace and span ids of what it links to."""
        return [(link.trace_id.hex(), link.span_id.hex()) for link in self.proto.links]

    @property
    def turn(self) -> tuple[str, str] | None:
        """Call SID and turn id, if it names them."""
        found = [self.attributes.get(f"voiceagent.{name}") for name in ("call_sid", "turn_id")]
        return (str(found[0]), str(found[1])) if None not in found else None


class OtlpCollector:
    """Keeps what it is sent, unless its `mode` is another one:

    - `refuse`: 500; `hang`: no answer; `babble`: an answer that never ends; `nonsense`: 200 and no protobuf.
    """

    def __init__(self, mode: str = "take") -> None:
        self.mode = mode
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                collector.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        """What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[Span]:
        """All spans, in the order in which they began."""
        found = [
            Span(
                str(attributes_of(resource.resource.attributes).get("service.name", "")), scope.scope.name, proto,
                attributes_of(proto.attributes),
            )
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for proto in scope.spans
        ]  # fmt: skip
        return sorted(found, key=lambda span: span.proto.start_time_unix_nano)

    def trace(self, call_sid: str, turn_id: str) -> list[Span]:
        """All spans of the trace to which a turn's spans belong; it is an error if they belong to several."""
        ids = {span.trace_id for span in self.spans if span.turn == (call_sid, turn_id)}
        assert len(ids) <= 1, f"spans of one turn are in {len(ids)} traces"
        return [span for span in self.spans if span.trace_id in ids]

    def wait_for(self, call_sid: str, turn_id: str, *names: str) -> list[Span]:
        """The trace of a turn, once it has spans with all these names."""

        def has_all() -> bool:
            there = [span.name for span in self.trace(call_sid, turn_id)]
            return all(there.count(name) >= names.count(name) for name in names)

        wait_until_sync(has_all, f"{names} of {turn_id} are collected; there are {sorted(self._names())}", 60)
        return self.trace(call_sid, turn_id)

    def _names(self) -> set[str]:
        return {span.name for span in self.spans}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request as the mode says."""
        body = request.rfile.read(int(request.headers["content-length"]))
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.paths.append(request.path)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        match self.mode:
            case "hang":
                self._ending.wait(120)
                request.close_connection = True
            case "babble":
                request.send_response(200)
                request.end_headers()
                while not self._ending.wait(0.05):
                    request.wfile.write(b"x")
            case "refuse":
                self._send(request, 500, b"no")
            case "nonsense":
                self._send(request, 200, b"\xff\xff nonsense")
            case _:
                self.bodies.append(body)
                self._send(request, 200, ExportTraceServiceResponse().SerializeToString())

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        request.send_response(status)
        request.send_header("content-type", "application/x-protobuf")
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def tree(spans: list[Span]) -> list[str]:
    """One line for each span, indented below its parent, in the order in which they began."""
    known = {span.span_id for span in spans}

    def lines(parent: str, depth: int) -> list[str]:
        below = [span for span in spans if (span.parent_id if span.parent_id in known else "") == parent]
        return [line for span in below for line in ("  " * depth + span.name, *lines(span.span_id, depth + 1))]

    return lines("", 0)


def attributes_of(pairs: "list[KeyValue] | Any") -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def grouped(spans: list[Span]) -> dict[str, list[Span]]:
    """The spans by their names."""
    found: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.name].append(span)
    return found
