"""`DELETE /calls/{call_sid}` leaves nothing of the call, and no captured webhook can begin it again."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import said, verbs
from support.relay import new_ticket, relay_socket
from support.told_events import whole_lines
from support.waiting import wait_until

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded

ROUTES = [
    ("/twilio/voice", {"CallStatus": "ringing"}),
    ("/twilio/voice", {"ErrorCode": "11200"}),
    ("/twilio/turn/1", {"SpeechResult": "my secret"}),
    ("/twilio/turn/1/wait?since=0&attempt=1", {}),
]


async def erased(ingress):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="my secret")
    assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
    ingress.turns.clear()


@pytest.mark.parametrize(("path", "fields"), ROUTES)
async def test_a_captured_webhook_of_an_erased_call_does_nothing(ingress, path, fields):
    await erased(ingress)
    document = await ingress.twiml(path, **fields)
    assert (said(document), verbs(document)) == ("Goodbye.", ["Say", "Hangup"])
    assert ingress.turns == [], "the agent is not asked"
    assert await ingress.state() is None
    assert await ingress.runtime.states.get_active_calls_count() == 0


async def test_a_status_of_an_erased_call_does_nothing(ingress):
    await erased(ingress)
    assert (await ingress.post("/twilio/status", CallStatus="completed")).status_code == 204
    assert await ingress.state() is None


async def hangs_up(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    yield "Goodbye."
    if turn.kind != "ended":
        yield HangUp()


async def test_the_end_of_a_call_that_the_agent_had_ended_is_told_whole_before_the_call_is_erased(
    start_ingress, tmp_path
):
    path = tmp_path / "events.jsonl"
    settings = {"events_file": str(path), "events": "call.ended"}
    async with start_ingress(agent=hangs_up, timeouts={"store": 60}, **settings) as ingress:
        await ingress.begin()
        assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
        assert await ingress.state() is None
        await wait_until(lambda: whole_lines(path), "the end was told")
    [end] = [json.loads(line)["data"] for line in whole_lines(path)]
    assert (end["status"], end["reason"], "partial" in end) == ("completed", "agent hung up", False)
    assert [turn["kind"] for turn in end["turns"]] == ["started"]


async def test_a_call_whose_end_nobody_tells_is_erased_all_the_same(ingress):
    class Waiting:
        async def unended(self, call_sid: str) -> str:
            return call_sid

    ingress.runtime.outbox = Waiting()
    await ingress.begin()
    ingress.trouble(CallEnded())
    assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
    assert await ingress.state() is None


async def test_the_api_may_use_the_name_again(ingress):
    await erased(ingress)
    answer = await ingress.client.post(f"/calls/{ingress.call_sid}/turns", json={"turn_id": "t1", "text": "hello"})
    assert answer.status_code == 200, answer.text
    assert [record.text for record in (await ingress.state()).turns] == ["hello"]


async def test_a_relay_call_that_was_erased_is_told_goodbye(start_ingress):
    async with start_ingress(voice_channel="relay") as ingress:
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid)
            assert await caller.reply() == "Hello!"
            captured = await new_ticket(ingress.url, ingress.call_sid)
            assert (await ingress.client.delete(f"/calls/{ingress.call_sid}")).status_code == 204
            await caller.prompt("still there?")
            while (frame := await caller.frame())["type"] != "end":
                assert "You said" not in frame.get("token", "")
        assert await ingress.state() is None
        document = await ingress.twiml("/twilio/voice", CallStatus="ringing")
        assert verbs(document) == ["Say", "Hangup"]
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, "VX2", ticket=captured)
            while (await caller.frame())["type"] != "end":
                pass
        assert await ingress.state() is None
