"""When the first words of replies were sent and heard: known after the commit, brought by the next turn."""

from collections.abc import AsyncIterator
from typing import Any

from support.ingress import CALL, QUICK
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.actions import Play
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.hub import Pending
from orchestrator.errors import StoreUnavailable
from web.twilio.relay.playout_clock import PlayoutClock
from web.twilio.relay.spoken_reply import SpokenReply
from web.twilio.twiml import FILLERS


async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    if turn.text == "music":
        yield "Listen. "
        yield Play("https://example.com/a.mp3")
        yield "Nice?"
    else:
        yield f"{turn.kind}."


async def speaking(caller: Any, value: str) -> None:
    await caller.send("info", name="agentSpeaking", value=value)


async def recorded(ingress: Any, turn_id: str) -> dict[str, float]:
    """Return the timings of a turn, once it has a record."""

    async def found() -> Any:
        state = await ingress.state()
        return state is not None and state.record_of(turn_id)

    record = await wait_until(found, f"{turn_id} is recorded")
    return record.timings  # type: ignore[no-any-return]


async def stage_count(ingress: Any, stage: str) -> float:
    """Return how many turns `/metrics` has counted for a stage."""
    text = (await ingress.client.get("/metrics")).text
    prefix = f'voiceagent_turn_stage_seconds_count{{stage="{stage}"}} '
    return sum(float(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix))


async def test_the_next_turn_says_when_the_reply_was_sent_and_heard(start_ingress):
    async with start_ingress(agent=agent) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.reply() == "started."
        await speaking(caller, "on")
        await speaking(caller, "off")
        assert list(await recorded(ingress, "start")) == [
            "submitted",
            "claimed",
            "first_token",
            "finished",
            "committed",
        ]
        await caller.prompt("hello")
        assert await caller.reply() == "speech."  # of which the provider tells nothing
        await caller.prompt("and")
        await caller.reply()
        and_ = await recorded(ingress, "VX1-2")
        start, hello = await recorded(ingress, "start"), await recorded(ingress, "VX1-1")
        assert start["first_heard"] >= start["first_sent"] >= start["submitted"]
        assert (list(hello)[-1], "first_heard" in hello) == ("first_sent", False)
        assert "first_sent" not in and_
        assert await stage_count(ingress, "speech") == 1
        for stage in ("submit", "queue", "first_token", "agent", "commit", "answer"):
            await wait_until(lambda stage=stage: counted(ingress, stage, 3), f"the replies are counted: {stage}")


async def counted(ingress: Any, stage: str, count: int) -> bool:
    return await stage_count(ingress, stage) == count


async def test_the_end_of_the_call_says_it_of_its_last_reply(start_ingress):
    async with start_ingress(agent=agent) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await speaking(caller, "on")
        await wait_until(lambda: counted(ingress, "speech", 1), "the frame has come")
        await ingress.post("/twilio/relay/ended", SessionStatus="completed", SessionDuration="3")
        await recorded(ingress, "ended")
        assert {"first_sent", "first_heard"} <= set(await recorded(ingress, "start"))
        assert (await ingress.state()).ended is not None


async def test_a_reply_in_several_utterances_is_heard_when_the_first_is(start_ingress):
    async with start_ingress(agent=agent) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await speaking(caller, "on")
        await speaking(caller, "off")
        await caller.prompt("music")
        assert await caller.reply() == "Listen. "
        await speaking(caller, "on")
        await speaking(caller, "off")
        await speaking(caller, "on")
        await caller.prompt("hello")
        await recorded(ingress, "VX1-2")
        music = await recorded(ingress, "VX1-1")
        assert music["first_heard"] >= music["first_sent"]
        assert await stage_count(ingress, "speech") == 2


async def test_a_filler_is_no_reply_that_is_heard(start_ingress):
    async with start_ingress(agent=agent, timeouts=QUICK) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        await speaking(caller, "on")
        await speaking(caller, "off")
        ingress.trouble(StoreUnavailable("as I was told"))
        await caller.prompt("hello")
        assert await caller.reply() in FILLERS
        ingress.trouble(None)
        while (said := await caller.reply()) in FILLERS:
            pass
        assert said == "speech."
        await speaking(caller, "on")
        await speaking(caller, "off")
        await caller.prompt("hello")
        await caller.reply()
        await recorded(ingress, "VX1-2")
        assert "first_heard" not in await recorded(ingress, "VX1-1")
        assert await stage_count(ingress, "speech") == 1


async def test_an_utterance_that_was_spoken_unannounced_is_not_the_next_one_that_is_heard() -> None:
    clock = PlayoutClock()
    first, second, third = (SpokenReply(turn_id, Pending(CALL, turn_id)) for turn_id in ("t1", "t2", "t3"))
    for reply in (first, second, third):
        clock.utterance_begun(reply)
    clock.utterance_spoken()  # the first, of whose beginning the provider said nothing
    assert clock.utterance_heard() is second
    clock.all_spoken()
    assert clock.utterance_heard() is None
