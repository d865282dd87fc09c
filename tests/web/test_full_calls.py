"""A call at its limit of turns or bytes: what its caller hears, and what a client of the API gets."""

import json

import pytest
from support.ingress import said, verbs
from support.relay import relay_socket

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.bounds import MOST_BYTES, MOST_TURNS, TOO_LONG


async def full(ingress, channel):
    records = [TurnRecord.of(a_turn(f"turn-{n}"), "replied", Reply(text="yes")) for n in range(MOST_TURNS - 1)]
    await ingress.runtime.states.create_state(ingress.call_sid, channel=channel, turns=records)


async def test_a_caller_hears_a_polite_end(ingress):
    await full(ingress, "gather")
    for _ in range(2):
        document = await ingress.twiml(f"/twilio/turn/{MOST_TURNS - 1}", SpeechResult="and another thing")
        assert (said(document), verbs(document)) == (TOO_LONG, ["Say", "Hangup"])
    assert len((await ingress.state()).turns) == MOST_TURNS
    late = await ingress.twiml(f"/twilio/turn/{MOST_TURNS}", SpeechResult="hello?")
    assert verbs(late) == ["Say", "Hangup"]


async def test_a_caller_on_a_relay_hears_it_too(start_ingress):
    async with start_ingress(voice_channel="relay") as ingress:
        await full(ingress, "relay")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(ingress.call_sid)
            await caller.prompt("and another thing")
            said_ = ""
            while (frame := await caller.frame())["type"] != "end":
                said_ += frame.get("token", "")
                if frame.get("last"):
                    await caller.send("info", name="agentSpeaking", value="off")
            assert TOO_LONG in said_


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_client_of_the_api_is_told_why(ingress, accept):
    await full(ingress, "api")

    async def ask(turn_id):
        return await ingress.client.post(
            f"/calls/{ingress.call_sid}/turns",
            json={"turn_id": turn_id, "text": "and another thing"},
            headers={"accept": accept},
        )

    first = await ask("t1")
    if accept == "application/json":
        assert first.status_code == 410
        assert "1,000 turns or 1 MB" in first.json()["error"]
    else:
        event = first.text.strip().splitlines()[-2:]
        assert event[0] == "event: error"
        assert "1,000 turns or 1 MB" in json.loads(event[1].removeprefix("data: "))["error"]
    for turn_id in ("t1", "t2"):
        if accept == "application/json" or turn_id == "t2":
            again = await ask(turn_id)
            assert (again.status_code, "1,000 turns or 1 MB" in again.text) == (410, True)


async def test_long_turns_over_the_api_fill_no_more_than_a_megabyte(ingress):
    for number in range(150):
        turn = {"turn_id": f"t{number}", "text": "x" * 60_000}
        answer = await ingress.client.post(f"/calls/{ingress.call_sid}/turns", json=turn)
        assert len((await ingress.state()).model_dump_json()) <= MOST_BYTES
        if answer.status_code != 200:
            break
    assert answer.status_code == 410
    assert number < 40
