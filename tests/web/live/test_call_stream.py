"""`GET /calls/{call_sid}/live`: one call as it goes on."""

import asyncio

from support.event_streams import event_stream
from support.ingress import CALL

from orchestrator import Gather


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
        if turn.text == "good evening":
            await gate.wait()
            yield "Let me "
            await second.wait()
            yield "look."
        yield "Hello."

    async with start_ingress(agent=slow) as ingress:
        await ingress.client.post("/calls/c1/turns", json={"turn_id": "t0", "text": "hi"})
        body, streaming = {"turn_id": "t1", "text": "good evening"}, {"Accept": "text/event-stream"}
        async with event_stream(ingress.client, "/calls/c1/live") as stream:
            asking = asyncio.create_task(ingress.client.post("/calls/c1/turns", json=body, headers=streaming))
            running = await stream.until(lambda name, data: name == "running", "the turn")
            assert (running["turn_id"], running["kind"], running["text"]) == ("t1", "speech", "good evening")
            assert running["said"] == ""
            gate.set()
            said = await stream.until(lambda name, data: name == "said", "the first words")
            assert said == {"turn_id": "t1", "start": 0, "text": "Let me "}
            async with event_stream(ingress.client, "/calls/c1/live") as late:
                joined = await late.until(lambda name, data: name == "running", "the turn, to who comes late")
                assert joined["said"] == "Let me "
            second.set()
            await stream.until(lambda name, data: name == "state" and len(data["turns"]) == 2, "the commit")
        assert (await asking).status_code == 200


async def test_what_is_sensitive_stays_hidden(start_ingress, gate):
    async def asks(turn, state):
        if turn.kind == "started" or turn.text == "hi":
            yield "Your number?"
            yield Gather(sensitive=True)
        else:
            yield f"You said {turn.text}. "
            await gate.wait()
            yield "Thank you."

    async with start_ingress(agent=asks) as ingress:
        await ingress.client.post("/calls/c1/turns", json={"turn_id": "t0", "text": "hi"})
        body, streaming = {"turn_id": "t1", "text": "four two", "sensitive": True}, {"Accept": "text/event-stream"}
        async with event_stream(ingress.client, "/calls/c1/live") as stream:
            asking = asyncio.create_task(ingress.client.post("/calls/c1/turns", json=body, headers=streaming))
            await stream.until(
                lambda name, data: "[hidden]" in data.get("text" if name == "said" else "said", ""), "hidden words"
            )
            gate.set()
            await stream.until(lambda name, data: name == "state" and len(data["turns"]) == 2, "the commit")
        assert "four two" in (await asking).text
        assert "four two" not in str(stream.events)


async def test_an_unknown_call_is_not_found(ingress):
    assert (await ingress.client.get("/calls/nobody/live")).status_code == 404
