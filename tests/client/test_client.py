"""The client asks a real ingress for all that the API describes, and says in words what was refused."""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from support.ingress import started_ingress

from orchestrator.client import ApiRefused, ApiUnreachable, Client, StreamedPart
from orchestrator.client.server_events import server_events
from web.api.routes import SCOPES


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with started_ingress(api_key="k") as ingress, Client(ingress.url, "k") as opened:
        yield opened


async def test_a_conversation(client: Client) -> None:
    first = await client.turn("demo-1", "hello", turn_id="t1")
    assert first["outcome"] == "replied"
    assert await client.turn("demo-1", "hello", turn_id="t1") == first
    parts = [part async for part in client.stream_turn("demo-1", "and again", turn_id="t2")]
    assert "".join(part.token for part in parts) == parts[-1].answer["reply"]["text"]  # type: ignore[index]
    assert (await client.call("demo-1"))["turns"][-1]["text"] == "and again"
    assert [call["call_sid"] for call in (await client.list_calls())["calls"]] == ["demo-1"]
    assert (await client.signal("demo-1", "late", signal_id="s1", data={"minutes": 5}))["turn_id"] == "~signal-s1"
    assert (await client.say("demo-1", "One moment.", signal_id="s2"))["reply"]["text"] == "One moment."
    assert (await client.hang_up("demo-1", signal_id="s3", reason="closing"))["outcome"] == "replied"
    await client.end_call("demo-1")
    with pytest.raises(ApiRefused) as refused:
        await client.call("demo-1")
    assert (refused.value.status, refused.value.kind) == (404, "/problems/unknown-call")


async def test_health_is_an_answer_also_if_it_is_bad(client: Client) -> None:
    assert (await client.health())["status"] in ("healthy", "degraded", "unhealthy")


async def test_a_wrong_key_and_no_server_are_told_in_words(client: Client) -> None:
    async with started_ingress(api_key="k") as ingress, Client(ingress.url, "other") as stranger:
        with pytest.raises(ApiRefused, match="none of this server's") as refused:
            await stranger.list_calls()
        assert refused.value.status == 401
    async with Client("http://127.0.0.1:1", "k") as lost:
        with pytest.raises(ApiUnreachable, match="Nothing answers"):
            await lost.place_call("+15551234567")


def answering(*answers: httpx.Response) -> tuple[Client, list[httpx.Request]]:
    """A client whose server gives these answers, and what it was asked."""
    left, asked = list(answers), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return left.pop(0)

    return Client("http://server", http=httpx.AsyncClient(transport=httpx.MockTransport(answer))), asked


def busy() -> httpx.Response:
    return httpx.Response(503, json={"type": "/problems/overloaded", "detail": "Later."}, headers={"Retry-After": "0"})


@pytest.mark.parametrize(
    ("ask", "is_repeated"),
    [
        (lambda client: client.turn("c", "hello", turn_id="t1"), True),
        (lambda client: client.turn("c", "hello"), False),
        (lambda client: client.place_call("+15551234567", idempotency_key="k"), True),
        (lambda client: client.place_call("+15551234567"), False),
        (lambda client: client.say("c", "hello", signal_id="s"), True),
        (lambda client: client.change_rollout("clear"), False),
        (lambda client: client.list_calls(), True),
    ],
)
async def test_only_what_is_safe_to_repeat_is_sent_again(ask: Callable[[Client], Any], is_repeated: bool) -> None:
    client, asked = answering(busy(), httpx.Response(200, json={}))
    if is_repeated:
        assert await ask(client) == {}
        assert len(asked) == 2
        assert asked[0].content == asked[1].content
    else:
        with pytest.raises(ApiRefused, match="Later"):
            await ask(client)


async def test_pages_are_turned_to_the_last_one() -> None:
    client, asked = answering(
        httpx.Response(200, json={"records": [{"call_sid": "a"}], "next_cursor": "x"}),
        httpx.Response(200, json={"records": [{"call_sid": "b"}], "next_cursor": None}),
    )
    assert [it["call_sid"] async for it in client.records(from_="2026-11-01", agent=None)] == ["a", "b"]
    assert [dict(request.url.params) for request in asked] == [
        {"from": "2026-11-01"}, {"from": "2026-11-01", "cursor": "x"},
    ]  # fmt: skip


TOKEN = 'event: token\ndata: "Hel"\n\n'
FAILED = 'event: error\ndata: {"error": "Too slow."}\n\n'


@pytest.mark.parametrize(("ending", "sentence"), [("", "broke off"), (FAILED, "slow")])
async def test_a_stream_that_breaks_off_or_fails_is_no_answer(ending: str, sentence: str) -> None:
    client, _ = answering(httpx.Response(200, text=TOKEN + ending))
    parts = client.stream_turn("c", "hello")
    assert await anext(parts) == StreamedPart(token="Hel")
    with pytest.raises(ApiRefused, match=sentence):
        await anext(parts)


def test_every_operation_of_calls_and_records_has_a_method() -> None:
    source = inspect.getsource(Client)
    for _, path in SCOPES:
        if path.startswith(("/calls/{call_sid}/", "/records", "/rollout")):
            assert path.rpartition("/")[2].strip("{}") in source or path.partition("{")[0] in source, path


async def test_events_of_a_stream_come_as_they_are_sent() -> None:
    async def lines(*sent: str) -> AsyncIterator[str]:
        for line in sent:
            yield line

    told = lines(
        "retry: 1000", "", "event: overview", 'data: {"active": 1}', "", ": still here", "event: calls", "data: []"
    )
    assert [event async for event in server_events(told)] == [("overview", {"active": 1}), ("calls", [])]
    with pytest.raises(ApiRefused, match="no JSON"):
        [event async for event in server_events(lines("event: calls", "data: {"))]
