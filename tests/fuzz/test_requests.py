"""Whatever is sent to an ingress over HTTP, signed or with a key: it answers, logs no error, and keeps nothing."""

import asyncio
from pathlib import Path

import pytest
from fuzz.corpus import inputs_of
from fuzz.http_request import HttpRequest, RequestMutator, answer_to
from fuzz.request_fuzzer import judge
from fuzz.served import error_log, fuzzed_ingress, object_count, wait_until_quiet
from starlette.routing import Route

INPUTS = 800
SEED = 20261127
MOST_OBJECTS = 2000
"""More objects than before, after the same requests once more: a leak would leave some for each of them."""

pytestmark = pytest.mark.slow


async def test_every_request_is_answered(tmp_path: Path) -> None:
    corpus = inputs_of("requests")
    mutator = RequestMutator(SEED, corpus)
    requests = [*map(HttpRequest.parse, corpus), *(mutator.next() for _ in range(INPUTS))]
    async with fuzzed_ingress(tmp_path) as ingress:
        tasks = len(asyncio.all_tasks())
        with error_log() as log:
            for request in requests:
                wrong = await judge(ingress.url, request, log)
                assert not wrong, f"{wrong}; keep it in tests/fuzz/corpus/requests: {request.pack()[:1000]!r}"
        await wait_until_quiet(tasks)


async def test_requests_leave_nothing_behind(tmp_path: Path) -> None:
    corpus = [HttpRequest.parse(data) for data in inputs_of("requests")]
    async with fuzzed_ingress(tmp_path) as ingress:
        counts = []
        for _ in range(4):
            for request in corpus:
                await answer_to(ingress.url, request.bytes_for(ingress.url))
            counts.append(object_count())
        assert counts[-1] - counts[-2] < MOST_OBJECTS, counts


async def test_right_requests_are_not_refused(tmp_path: Path) -> None:
    """Else nothing behind the signatures and the key would be tried."""
    async with fuzzed_ingress(tmp_path) as ingress:
        refused = {
            path.name: answer.status
            for path, request in (
                (path, HttpRequest.parse(path.read_bytes()))
                for path in sorted((Path(__file__).parent / "corpus" / "requests").glob("*"))
            )
            if (answer := await answer_to(ingress.url, request.bytes_for(ingress.url))).status in (401, 403, 415)
        }
    assert refused == {}


async def test_every_route_is_in_the_corpus(tmp_path: Path) -> None:
    requests = [HttpRequest.parse(data) for data in inputs_of("requests")]
    tried = {(request.method.decode(), request.target.partition(b"?")[0].decode("latin-1")) for request in requests}
    async with fuzzed_ingress(tmp_path) as ingress:
        routes = [route for route in ingress.app.routes if isinstance(route, Route)]
    left_out = [
        f"{method} {route.path}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if not any(method == used and route.path_regex.match(path) for used, path in tried)
    ]
    assert left_out == []
