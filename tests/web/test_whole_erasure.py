"""`DELETE /calls/{call_sid}?erase=true` in one process: nothing is left of the call, and its sinks are told."""

import asyncio
import json
from typing import Any

from support.ingress import said, verbs
from support.recorded_calls import ended, keep, turn
from support.relay import new_ticket, relay_socket
from support.told_events import whole_lines
from support.waiting import wait_until

from orchestrator.api_keys.key import new_key
from orchestrator.conversation.actions import StartActivity
from orchestrator.idempotency.store import IdempotencyRecord

SECRET = "my number is four seven one one"


async def erase(ingress: Any, call_sid: str | None = None) -> int:
    answer = await ingress.client.delete(f"/calls/{call_sid or ingress.call_sid}?erase=true")
    return int(answer.status_code)


async def test_an_erased_call_is_nowhere_in_the_process_and_its_sinks_are_told(start_ingress, tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    async with start_ingress(events_file=str(path)) as ingress:
        await ingress.begin()
        await wait_until(lambda: whole_lines(path), "the beginning was told")
        await ingress.twiml("/twilio/turn/1", SpeechResult=SECRET)
        assert await erase(ingress) == 204
        assert await ingress.state() is None
        assert (await ingress.client.get("/calls")).json()["count"] == 0
        assert (await ingress.client.get(f"/events/{ingress.call_sid}")).status_code in (200, 404)
        await wait_until(lambda: len(whole_lines(path)) == 2, "the erasure was told")
        kinds = [json.loads(line)["type"] for line in whole_lines(path)]
        assert kinds == ["call.started", "call.erased"], "no end was told"
        assert SECRET not in path.read_text()
        await wait_until(lambda: ingress.runtime.outbox.first_due is None, "nothing is to be told any more")
        memory, outbox = ingress.dispatcher.memory, ingress.runtime.outbox
        assert await memory.waiting(ingress.call_sid) == []
        assert await outbox.calls() == ([], "")
        assert await memory.dead_letters() == []
        assert memory.scheduling.schedule.calls == []
        assert not await ingress.runtime.documents.has_any(ingress.call_sid)


async def test_no_captured_webhook_brings_it_back_and_it_may_be_erased_again(ingress) -> None:
    await ingress.begin()
    assert await erase(ingress) == 204
    for path, fields in (
        ("/twilio/voice", {"CallStatus": "ringing"}),
        ("/twilio/turn/1", {"SpeechResult": SECRET}),
        ("/twilio/status", {"CallStatus": "completed"}),
    ):
        await ingress.post(path, **fields)
        assert await ingress.state() is None
    assert await erase(ingress) == 204, "it was erased within the day"


async def test_a_call_of_which_nothing_is_known_is_unknown_and_can_begin(ingress) -> None:
    answer = await ingress.client.delete(f"/calls/{ingress.call_sid}?erase=true")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-call")
    assert said(await ingress.begin()) == "Hello!"


async def test_what_erase_may_be_is_said(ingress) -> None:
    await ingress.begin()
    answer = await ingress.client.delete(f"/calls/{ingress.call_sid}?erase=yes")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/wrong-fields")
    assert await ingress.state() is not None


async def test_it_needs_the_scope_admin(start_ingress) -> None:
    token, key = new_key("desk", ["control"])
    async with start_ingress(api_keys=key.entry, api_key="whole") as ingress:
        await ingress.begin()
        path = f"/calls/{ingress.call_sid}"
        refused = await ingress.client.delete(f"{path}?erase=true", headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/insufficient-scope")
        assert await ingress.state() is not None
        allowed = await ingress.client.delete(f"{path}?erase=true", headers={"Authorization": "Bearer whole"})
        assert allowed.status_code == 204


async def test_a_turn_that_runs_writes_nothing_and_its_caller_hears_a_goodbye(start_ingress, gate) -> None:
    async def slow(turn, state):
        if turn.kind == "started":
            yield "Hello!"
        else:
            yield StartActivity("json:dumps", args={"obj": SECRET}, name="late")
            await gate.wait()
            yield SECRET

    async with start_ingress(agent=slow, timeouts={"filler_after": 60}) as ingress:
        await ingress.begin()
        waiting = asyncio.create_task(ingress.twiml("/twilio/turn/1", SpeechResult=SECRET))
        await wait_until(lambda: ingress.dispatcher.runner.running, "the turn runs")
        assert await erase(ingress) == 204
        document = await waiting
        assert (said(document), verbs(document)) == ("Goodbye.", ["Say", "Hangup"])
        gate.set()
        await wait_until(lambda: not ingress.dispatcher.runner.running, "the turn is over")
        assert await ingress.state() is None
        assert ingress.dispatcher.memory.scheduling.schedule.calls == []


async def test_a_relay_caller_who_is_silent_is_said_goodbye_at_once(start_ingress) -> None:
    async with start_ingress(voice_channel="relay") as ingress:
        ticket = await new_ticket(ingress.url, ingress.call_sid)
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid, ticket=ticket)
            assert await caller.reply() == "Hello!"
            assert await erase(ingress) == 204
            words = ""
            while (frame := await caller.frame())["type"] != "end":
                words += frame.get("token", "")
            assert words == "Goodbye."
        assert await ingress.state() is None


async def test_an_order_whose_call_was_erased_is_not_carried_out_again(start_ingress) -> None:
    async with start_ingress() as ingress:
        orders = ingress.app.state.call_placer.idempotency
        await orders.claim("k1", "f")
        await orders.complete("k1", IdempotencyRecord("f", json.dumps([ingress.call_sid, "queued"])))
        assert await erase(ingress) == 204
        assert (await orders.claim("k1", "f")).answer == '["", "erased"]'


async def test_a_call_that_only_the_database_remembers_is_erased_there(records_url, start_ingress) -> None:
    await keep(records_url, [ended(turn("t1", SECRET)), ended(turn("t1", SECRET), call_sid="CA2")])
    async with start_ingress(events_database_url=records_url) as ingress:
        assert await erase(ingress, "CA1") == 204
        records = (await ingress.client.get("/records")).json()["records"]
        assert [record["call_sid"] for record in records] == ["CA2"]
        assert await erase(ingress, "CA9") == 404
