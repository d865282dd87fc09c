"""What every answer has, whichever route gives it: one line on an error, its headers, and a place in the metrics."""

import logging

import httpx
import pytest
from support.ingress import CALL
from support.waiting import wait_until

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PROBLEM = "application/problem+json"
TEXT = "text/plain; charset=utf-8"
NO_FORM = "Send a form (application/x-www-form-urlencoded).\n"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "body", "route"),
    [
        ("GET", "/livez", 200, None, None, "/livez"),
        ("HEAD", "/livez", 200, None, "", "/livez"),
        ("POST", "/livez", 405, TEXT, "Method Not Allowed\n", "/livez"),
        ("GET", "/twilio/voice", 405, TEXT, "Method Not Allowed\n", "/twilio/voice"),
        ("OPTIONS", "/twilio/turn/1", 405, TEXT, "Method Not Allowed\n", "/twilio/turn/{n}"),
        ("POST", "/twilio/voice/", 404, TEXT, "Not Found\n", "unmatched"),
        ("POST", "/twilio/turn/1/", 404, TEXT, "Not Found\n", "unmatched"),
        ("GET", "/twilio/relay", 404, TEXT, "Not Found\n", "unmatched"),
        ("POST", "/twilio/%76oice", 415, TEXT, NO_FORM, "/twilio/voice"),
        ("POST", "/twilio/turn/%31", 415, TEXT, NO_FORM, "/twilio/turn/{n}"),
        ("POST", "/twilio/turn/1%2Fwait", 415, TEXT, None, "/twilio/turn/{n}/wait"),
        ("GET", "/nowhere", 404, TEXT, "Not Found\n", "unmatched"),
        ("GET", "/calls/CA1/nothing", 404, PROBLEM, None, "unmatched"),
        ("PUT", "/calls/CA1", 405, PROBLEM, None, "/calls/{call_sid}"),
        ("GET", "/calls/CA1", 404, PROBLEM, None, "/calls/{call_sid}"),
        ("POST", "/calls/CA1/turns", 415, PROBLEM, None, "/calls/{call_sid}/turns"),
        ("POST", "/calls/%FF/turns", 400, PROBLEM, None, "/calls/{call_sid}/turns"),
    ],
)  # fmt: skip
async def test_an_answer_has_its_status_headers_and_count(ingress, method, path, status, kind, body, route):
    response = await ingress.client.request(method, path)
    assert response.status_code == status
    assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
    if kind is not None:
        assert response.headers["content-type"] == kind
    if body is not None:
        assert response.text == body
    assert ("allow" in response.headers) == (status == 405)
    assert await counted(ingress, route, status) == 1


async def counted(ingress, route: str, status: int) -> float:
    lines = (await ingress.client.get("/metrics")).text.splitlines()
    sample = f'voiceagent_http_requests_total{{route="{route}",status="{status}"}} '
    return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(sample))


async def test_a_header_that_a_route_sets_stands(ingress):
    async with ingress.client.stream("GET", "/dashboard/page/css/base.css") as response:
        assert response.headers.get_list("cache-control") != ["no-store", "no-store"]
        assert len(response.headers.get_list("cache-control")) == 1


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/twilio/voice", 200, "something went wrong"), ("/calls/demo/turns", 500, "Something went wrong here")],
)
async def test_an_unexpected_error_is_logged_and_apologised_for(ingress, caplog, path, status, says):
    ingress.trouble(RuntimeError("out of order"))
    if path.startswith("/twilio"):
        response = await ingress.post(path)
    else:
        response = await ingress.client.post(path, json={"text": "hello"})
    assert response.status_code == status
    assert says in response.text
    assert response.headers["cache-control"] == "no-store"
    [record] = [r for r in caplog.records if getattr(r, "action", "") == "http.failed"]
    assert record.method == "POST"


async def test_a_client_that_leaves_in_its_body_is_counted_as_failed_and_not_logged(ingress, caplog):
    async def half() -> None:
        async with httpx.AsyncClient(base_url=ingress.url, timeout=60) as client:

            async def body():
                yield b"CallSid="
                raise ConnectionError("gone")

            with pytest.raises(ConnectionError):
                await client.post("/twilio/voice", content=body(), headers=FORM)

    await half()
    await wait_until(lambda: counted(ingress, "/twilio/voice", 500), "the request is counted")
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


async def test_a_request_is_logged_at_debug_without_its_query(ingress, caplog):
    caplog.set_level(logging.DEBUG, logger="web.http_entry")
    await ingress.post("/twilio/turn/1?speech=sv", CallSid=CALL)
    [record] = [r for r in caplog.records if getattr(r, "action", "") == "http.answered"]
    assert (record.route, record.method, record.status) == ("/twilio/turn/{n}", "POST", 200)
    assert "sv" not in record.getMessage()
