"""Every error of the API is a problem detail (RFC 9457) whose type a page describes."""

import inspect
import json

import pytest

from orchestrator import errors
from orchestrator.errors import CallErased, CallFull, StoreFull, StoreUnavailable, VoiceAgentError
from web.problem_types import type_of
from web.problems import as_problem, problem_details

MEMBERS = ["type", "title", "status", "detail", "error"]
OF_NO_CLIENT = {
    "BadSetting", "BadAgent", "BadReply", "BadHandOff", "BadActivity", "ScheduleRefused", "ModelFailed",
    "McpServerAway", "AgentsStuck", "AgentRaised", "AgentProcessFailed", "AgentProcessLost",
    "StateConflict",
}  # fmt: skip
"""What a process or an agent meets, and no request."""


def details_of(response) -> dict:
    assert response.headers["content-type"] == "application/problem+json"
    details = response.json()
    assert list(details) == MEMBERS
    assert details["status"] == response.status_code
    assert details["error"] == details["detail"]
    return details


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "title"),
    [
        ("GET", "/calls/nobody", None, 404, "/problems/unknown-call", "There is no such call"),
        ("DELETE", "/calls/nobody", None, 404, "/problems/unknown-call", "There is no such call"),
        ("POST", "/calls/c/turns", {}, 422, "/problems/wrong-fields", "The fields of the request are wrong"),
        ("POST", "/calls", {"to": "+15551230000"}, 501, "/problems/not-configured", "A setting is missing"),
        ("GET", "/records", None, 501, "/problems/no-archive", "There is no archive of records"),
        ("GET", "/calls/%7Bx%7D", None, 400, "/problems/bad-call-sid", "The call SID cannot be used"),
        ("GET", "/calls/c/nothing", None, 404, "about:blank", "Not Found"),
        ("PUT", "/calls", None, 405, "about:blank", "Method Not Allowed"),
        ("POST", "/calls", None, 415, "about:blank", "Unsupported Media Type"),
    ],
)
async def test_an_error_says_what_it_is(ingress, method, path, body, status, kind, title):
    content = {"json": body} if body is not None else {}
    details = details_of(response := await ingress.client.request(method, path, **content))
    assert (response.status_code, details["type"], details["title"]) == (status, kind, title)


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry"),
    [
        (CallErased(), 410, "/problems/call-erased", None),
        (CallFull(), 410, "/problems/call-full", None),
        (StoreUnavailable(), 503, "/problems/store-unavailable", "5"),
        (StoreFull(), 503, "/problems/store-full", "5"),
        (ZeroDivisionError("secret detail"), 500, "about:blank", None),
    ],
)
async def test_an_error_of_the_product_has_its_own_type(ingress, error, status, kind, retry):
    ingress.trouble(error)
    response = await ingress.client.post("/calls/c/turns", json={"text": "hello"})
    details = details_of(response)
    assert (response.status_code, details["type"], response.headers.get("retry-after")) == (status, kind, retry)
    assert "secret" not in response.text


async def test_a_key_that_is_missing_or_may_not_do_it_is_a_problem(start_ingress):
    async with start_ingress(environment="production") as ingress:
        details = details_of(await ingress.client.get("/calls"))
        assert (details["type"], details["status"]) == ("/problems/api-closed", 403)
    async with start_ingress(api_key="secret-key-of-the-test-000000000") as ingress:
        response = await ingress.client.get("/calls")
        assert (details_of(response)["type"], response.headers["www-authenticate"]) == ("about:blank", "Bearer")


async def test_a_stream_ends_with_the_same_object(start_ingress, gate):
    async def slow(turn, state):
        await gate.wait()
        yield "At last."

    async with start_ingress(agent=slow, timeouts={"reply_grace": -29.5}, agent_timeout_seconds=30) as ingress:
        headers = {"Accept": "text/event-stream"}
        response = await ingress.client.post("/calls/c/turns", json={"turn_id": "t1", "text": "x"}, headers=headers)
        name, data = response.text.strip().splitlines()[-2:]
        details = json.loads(data.removeprefix("data: "))
        assert (name, list(details)) == ("event: error", MEMBERS)
        assert (details["type"], details["status"]) == ("/problems/still-running", 504)
        gate.set()


def test_each_error_that_a_client_may_meet_has_a_type() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, VoiceAgentError)]
    untyped = {kind.__name__ for kind in kinds if kind is not VoiceAgentError and _type_of(kind) is None}
    assert untyped == OF_NO_CLIENT


def _type_of(kind: type[VoiceAgentError]):
    return type_of(kind.__new__(kind))


def test_a_subclass_is_told_from_its_class() -> None:
    told = {problem_details(as_problem(error))["type"] for error in (CallFull(), CallErased(), StoreFull())}
    assert told == {"/problems/call-full", "/problems/call-erased", "/problems/store-full"}
