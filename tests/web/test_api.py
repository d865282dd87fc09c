"""The API: text conversations, and the state of calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.waiting import wait_until

from orchestrator.conversation.actions import Gather, HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded, CallRefused, StoreFull, StoreUnavailable, TurnRejected, UnreadableState

KEY = "a key with ünicode"


async def say(ingress, text="hello", call_sid="chat-1", **fields):
    return await ingress.client.post(f"/calls/{call_sid}/turns", json={"text": text, **fields})


def events_of(body: str) -> list[tuple[str, Any]]:
    blocks = [block for block in body.split("\n\n") if block and not block.startswith(":")]
    lines = [block.split("\n") for block in blocks]
    return [(name.removeprefix("event: "), json.loads(content.removeprefix("data: "))) for name, content in lines]


async def test_a_text_turn_begins_an_unknown_call_and_is_answered(ingress):
    response = await say(ingress, turn_id="t1", **{"from": "ann", "to": "desk"})
    assert response.json() == {
        "call_sid": "chat-1",
        "turn_id": "t1",
        "outcome": "replied",
        "reply": {"text": "You said hello.", "actions": []},
    }
    state = await ingress.runtime.states.get_state("chat-1")
    assert (state.channel, state.from_number, state.to_number) == ("api", "ann", "desk")


@pytest.mark.parametrize("text", ["good day", 'he said "no"\\', "\n\x00\x1f\x7f", "å\u2028\U00020000"])
async def test_an_answer_is_the_json_that_an_encoder_writes(start_ingress, text):
    async def says(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield text
        yield Gather(input="keys", num_digits=4, hints=(text,))

    async with start_ingress(agent=says) as ingress:
        response = await say(ingress, turn_id="t1")
        written = json.dumps(response.json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        assert response.content == written.encode()
        assert response.headers["content-type"] == "application/json"
        assert response.json()["reply"]["text"] == text


async def test_the_same_turn_id_gives_the_same_answer(ingress):
    answers = await asyncio.gather(*(say(ingress, turn_id="t1") for _ in range(5)))
    answers.append(await say(ingress, "something else", turn_id="t1"))
    assert len({answer.content for answer in answers}) == 1
    assert len((await ingress.runtime.states.get_state("chat-1")).turns) == 1


async def test_a_turn_without_an_id_gets_one(ingress):
    first, second = (await say(ingress)).json(), (await say(ingress)).json()
    assert first["turn_id"] != second["turn_id"]


async def test_keys_silence_and_a_start_are_turns_too(ingress):
    assert (await say(ingress, "", kind="started")).json()["reply"]["text"] == "Hello!"
    assert (await say(ingress, "", kind="silence")).json()["reply"]["text"] == "Are you there?"
    assert (await say(ingress, "", kind="keys", digits="12#")).json()["reply"]["text"] == "You said 12#."


async def test_actions_are_part_of_the_reply(start_ingress):
    async def leaving(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Bye."
        yield HangUp(reason="done")

    async with start_ingress(agent=leaving) as ingress:
        reply = (await say(ingress)).json()["reply"]
        assert reply == {"text": "Bye.", "actions": [{"type": "hang_up", "reason": "done"}]}


async def test_tokens_are_streamed_as_they_are_produced(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "One "
        await gate.wait()
        yield "two."

    async with start_ingress(agent=slow) as ingress:
        headers = {"Accept": "text/event-stream"}
        body = {"turn_id": "t1", "text": "count"}
        async with ingress.client.stream("POST", "/calls/c/turns", json=body, headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            received = ""
            async for chunk in response.aiter_text():
                received += chunk
                if ": still here" in received and "One" in received:
                    gate.set()
        *tokens, (name, last) = events_of(received)
        assert {kind for kind, _ in tokens} == {"token"}
        assert "".join(text for _, text in tokens) == "One two."
        assert name == "reply"
        assert last == (await say(ingress, call_sid="c", turn_id="t1")).json()


async def test_a_client_that_goes_away_stops_the_stream_and_not_the_turn(start_ingress, gate):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "One "
        await gate.wait()
        yield "two."

    async with start_ingress(agent=slow) as ingress:
        headers = {"Accept": "text/event-stream"}
        body = {"turn_id": "t1", "text": "count"}
        async with ingress.client.stream("POST", "/calls/c/turns", json=body, headers=headers) as response:
            await anext(response.aiter_text())
        gate.set()
        assert (await say(ingress, call_sid="c", turn_id="t1")).json()["reply"]["text"] == "One two."


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_turn_that_takes_too_long_goes_on_and_can_be_asked_for_again(start_ingress, gate, accept):
    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        await gate.wait()
        yield "At last."

    async def is_answered() -> bool:
        state = await ingress.runtime.states.get_state("c")
        return state is not None and state.record_of("t1") is not None

    async with start_ingress(agent=slow, timeouts={"reply_grace": -29.5}, agent_timeout_seconds=30) as ingress:
        response = await ingress.client.post(
            "/calls/c/turns", json={"turn_id": "t1", "text": "x"}, headers={"Accept": accept}
        )
        assert "ask again with the same turn_id" in response.text
        if accept == "application/json":
            assert response.status_code == 504
        else:
            assert events_of(response.text)[-1][0] == "error"
        gate.set()
        await wait_until(is_answered, "the turn has its reply")
        assert (await say(ingress, call_sid="c", turn_id="t1")).json()["reply"]["text"] == "At last."


async def test_calls_are_listed_newest_first(ingress):
    for name in ("a", "b", "c"):
        await say(ingress, call_sid=name)
    listed = (await ingress.client.get("/calls")).json()
    assert listed["count"] == 3
    assert [call["call_sid"] for call in listed["calls"]] == ["c", "b", "a"]
    assert listed["calls"][0] | {"created_at": "", "updated_at": ""} == {
        "call_sid": "c", "status": "active", "channel": "api", "direction": "inbound", "phase": "",
        "created_at": "", "updated_at": "", "turns": 1, "version": 2, "agent": "", "tenant": "", "worker_version": "",
        "from_number": "", "to_number": "", "last": {"by": "agent", "text": "You said hello."}, "health": "ok",
        "why": "",
    }  # fmt: skip
    few = (await ingress.client.get("/calls?limit=2")).json()
    assert (few["count"], len(few["calls"])) == (3, 2)


@pytest.mark.parametrize("limit", ["0", "x", "-1", "1001", ""])
async def test_a_bad_limit_is_explained(ingress, limit):
    response = await ingress.client.get(f"/calls?limit={limit}")
    assert response.status_code == 422
    assert "limit" in response.json()["error"]


async def test_a_call_is_shown_as_its_state(ingress):
    await say(ingress, call_sid="v2:T02")
    for path in ("/calls/v2:T02", "/calls/v2%3AT02"):
        shown = ConversationState.model_validate_json((await ingress.client.get(path)).content)
        assert shown == await ingress.runtime.states.get_state("v2:T02")


async def test_a_deleted_call_is_gone(ingress):
    await say(ingress)
    assert (await ingress.client.delete("/calls/chat-1")).status_code == 204
    assert (await ingress.client.get("/calls/chat-1")).status_code == 404
    assert (await ingress.client.delete("/calls/chat-1")).status_code == 404
    assert ingress.turns[-1].kind == "ended"


async def test_a_call_deleted_in_the_middle_of_a_turn_stops_that_turn(start_ingress, gate):
    async def stuck(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "speech":
            await gate.wait()
        yield "ok"

    async with start_ingress(agent=stuck) as ingress:
        turn = asyncio.create_task(say(ingress))
        await wait_until(lambda: ingress.turns, "the turn was handed over")
        assert (await ingress.client.delete("/calls/chat-1")).status_code == 204
        assert (await turn).status_code in (200, 410)
        gate.set()
        assert (await ingress.client.get("/calls/chat-1")).status_code == 404


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TurnRejected(), 409),
        (CallEnded(), 410),
        (CallRefused(), 503),
        (StoreUnavailable(), 503),
        (StoreFull(), 503),
        (ZeroDivisionError("secret detail"), 500),
    ],
)
async def test_what_goes_wrong_is_a_status_and_a_sentence(ingress, error, status):
    ingress.trouble(error)
    response = await say(ingress)
    assert response.status_code == status
    assert response.json()["error"]
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("content", "content_type", "status", "words"),
    [
        (b"text=hello", "application/x-www-form-urlencoded", 415, "JSON"),
        (b"{}", "", 415, "JSON"),
        (b"{", "application/json", 400, "not JSON"),
        (b"[" * 50_000, "application/json", 400, "not JSON"),
        (b'{"text": "hi", "more": 1e999}', "application/json", 400, "not JSON"),
        (b'{"text": "hi", "more": [-1e400]}', "application/json", 400, "not JSON"),
        (b"[]", "application/json", 400, "object"),
        (b'"\xff"', "application/json", 400, "UTF-8"),
        (b'{"text": "\\ud800"}', "application/json", 422, "text"),
        (b"{}", "application/json", 422, "text is missing"),
        (b'{"text": 7}', "application/json", 422, "text"),
        (b'{"text": "x", "turn_id": ""}', "application/json", 422, "turn_id"),
        (b'{"text": "x", "turn_id": "ended"}', "application/json", 422, "turn_id"),
        (b'{"text": "x", "kind": "ended"}', "application/json", 422, "kind"),
        (b'{"kind": "keys"}', "application/json", 422, "digits"),
        (b'{"kind": "keys", "digits": "x"}', "application/json", 422, "digits"),
        (b'{"text": "' + b"x" * 70_000 + b'"}', "application/json", 413, "65536"),
    ],
)
async def test_a_bad_body_is_explained_and_nothing_is_enqueued(ingress, content, content_type, status, words):
    response = await ingress.client.post("/calls/c/turns", content=content, headers={"Content-Type": content_type})
    assert response.status_code == status
    assert words in response.json()["error"]
    assert ingress.turns == []


@pytest.mark.parametrize("call_sid", ["%7Bx%7D", "x" * 257, "a%0Ab"])
async def test_a_bad_call_sid_is_explained(ingress, call_sid):
    for response in (
        await ingress.client.get(f"/calls/{call_sid}"),
        await ingress.client.delete(f"/calls/{call_sid}"),
        await say(ingress, call_sid=call_sid),
    ):
        assert response.status_code == 400
        assert "call SID" in response.json()["error"]


async def test_wrong_methods_and_unknown_paths_are_json_too(ingress):
    response = await ingress.client.put("/calls")
    assert response.status_code == 405
    assert response.json()["error"]
    assert (await ingress.client.get("/calls/a/b/c")).json()["error"]


async def test_the_key_opens_the_api(start_ingress):
    async with start_ingress(api_key=KEY) as ingress:
        for given in (None, "Bearer wrong", "Basic " + KEY.encode().decode("latin-1"), "Bearer"):
            headers = {} if given is None else {"Authorization": given.encode("latin-1")}
            for method, path in [("GET", "/calls"), ("GET", "/calls/a"), ("DELETE", "/calls/a"),
                                 ("POST", "/calls/a/turns")]:  # fmt: skip
                response = await ingress.client.request(method, path, headers=headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
                assert KEY not in response.text
        headers = {"Authorization": b"Bearer " + KEY.encode()}
        assert (await ingress.client.get("/calls", headers=headers)).status_code == 200


async def test_without_a_key_the_api_is_off_in_production(start_ingress):
    async with start_ingress(environment="production") as ingress:
        response = await ingress.client.get("/calls")
        assert response.status_code == 403
        assert "API_KEY" in response.json()["error"]


async def test_without_a_key_only_this_machine_may_use_the_api(ingress):
    assert (await ingress.client.get("/calls")).status_code == 200
    response = await ingress.client.get("/calls", headers={"X-Forwarded-For": "203.0.113.9"})
    assert response.status_code == 403


async def test_a_call_that_cannot_be_read_does_not_hide_the_others(ingress, monkeypatch):
    await say(ingress, call_sid="chat-1")
    await say(ingress, call_sid="chat-2")
    get_state = ingress.runtime.states.get_state

    async def reading(call_sid):
        if call_sid == "chat-1":
            raise UnreadableState
        return await get_state(call_sid)

    monkeypatch.setattr(ingress.runtime.states, "get_state", reading)
    listed = (await ingress.client.get("/calls")).json()
    assert [call["call_sid"] for call in listed["calls"]] == ["chat-2"]
    shown = await ingress.client.get("/calls/chat-1")
    assert (shown.status_code, "cannot be read" in shown.json()["error"]) == (500, True)
    deleted = await ingress.client.delete("/calls/chat-1")
    assert deleted.status_code == 204
    assert (await ingress.client.get("/calls")).json()["count"] == 1
    monkeypatch.undo()
    assert (await ingress.client.get("/calls/chat-1")).status_code == 404


async def test_a_path_that_is_not_utf_8_names_no_call(ingress):
    assert (await ingress.client.get("/calls/a%FFb")).status_code == 400
    assert (await ingress.client.get("/calls/a%C3%A4b")).status_code == 404


@pytest.mark.parametrize("depth", [40, 300, 900, 20_000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize(
    ("path", "body"),
    [("/calls/c/turns", '{"text": "hi", "more": %s}'), ("/calls", '{"to": "+15558675310", "slots": {"a": %s}}')],
)
async def test_what_is_nested_too_deep_is_refused(ingress, path, body, opens, closes, depth):
    nested = body % (opens * depth + "1" + closes * depth)
    answer = await ingress.client.post(path, content=nested, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413)
