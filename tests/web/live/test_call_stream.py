"""`GET /calls/{call_sid}/live`: one call as it goes on."""

import asyncio

from support.event_streams import event_stream
from support.ingress import CALL


async def test_the_state_comes_at_once_and_after_each_commit(ingress):
    await ingress.begin()
    async with event_stream(ingress.client, f"/calls/{CALL}/live") as stream:
        first = await stream.until(lambda name, data: name == "state", "the state")
        assert first == (await ingress.client.get(f"/calls/{CALL}")).json()
        await ingress.twiml("/twilio/turn/1", SpeechResult="good evening")
        later = await stream.until(lambda name, data: name == "state", "the next state")
        assert [turn["text"] for turn in later["turns"]] == ["", "good evening"]
        await ingress.client.delete(f"/calls/{CALL}")
        await stream.until(lambda name, data: name == "gone", "its end")
        await stream.rest()


async def test_what_is_said_comes_as_it_is_said(start_ingress, gate):
    second = asyncio.Event()

    async def slow(turn, state):
        if turn.kind == "speech":
            await gate.wait()
            yield "Let me "
            await second.wait()
            yield "look."
        else:
            yield "Hello."

    async with start_ingress(agent=slow) as ingress:
        await ingress.client.post("/calls/c1/turns", json={"turn_id": "t0", "text": "hi", "kind": "speech"})
        body, streaming = {"turn_id": "t1", "text": "good evening"}, {"Accept": "text/event-stream"}
        async with event_stream(ingress.client, "/calls/c1/live") as stream:
            asking = asyncio.create_task(ingress.client.post("/calls/c1/turns", json=body, headers=streaming))
            running = await stream.until(lambda name, data: name == "running" and data["kind"], "the turn")
            assert (running["turn_id"], running["kind"], running["text"]) == ("t1", "speech", "good evening")
            gate.set()
            await stream.until(lambda name, data: name == "said", "the first words")
            second.set()
            await stream.until(lambda name, data: name == "state" and len(data["turns"]) == 2, "the commit")
        await asking
