"""What an agent of any framework does: the examples of the guide, each against a model server on loopback."""

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.model_server import Connection, ModelServer, breaks_off, calls, hangs, refuses, says
from support.waiting import wait_until

from orchestrator.agents.call_history import NO_RESULT
from orchestrator.agents.frameworks.options import FrameworkOptions
from orchestrator.agents.reply_text import BROKE_OFF, GOODBYE
from orchestrator.agents.tool_records import CALLS_SLOT
from orchestrator.conversation.actions import HandOff, HangUp
from orchestrator.conversation.turn import Turn

Begin = Callable[..., Any]
ORDER = {"pizza": "Funghi", "count": 2}


def sent(server: ModelServer, number: int = -1) -> list[tuple[str, str]]:
    """The messages of a request, without the instructions."""
    messages = server.requests[number]["messages"]
    return [(m["role"], m.get("content") or "") for m in messages if m["role"] not in ("system", "developer")]


def instructions(server: ModelServer, number: int = -1) -> str:
    messages = server.requests[number]["messages"]
    return "\n".join(str(m["content"]) for m in messages if m["role"] in ("system", "developer"))


def module_of(call: Any) -> Any:
    return sys.modules[call.agent.name.partition(":")[0]]


async def test_text_is_spoken_as_the_model_produces_it(server: ModelServer, begin: Begin) -> None:
    more = asyncio.Event()

    async def halting(connection: Connection) -> None:
        await connection.open()
        await connection.delta(role="assistant", content="Good ")
        await more.wait()
        await connection.delta(content="morning.")
        await connection.delta(finish="stop")
        await connection.close()

    server.answers["big"] = [halting]
    call = begin()
    async with call.run(Turn(turn_id="1", call_sid="CA1", kind="started")) as run:
        assert await anext(run) == "Good "
        more.set()
        assert "".join([part async for part in run]) == "morning."
    assert sent(server) == [("user", "[The call begins. Greet the caller.]")]
    assert "You are on the telephone" in instructions(server)


async def test_each_turn_is_sent_the_whole_call_as_it_was_heard(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Hello!"), says("Two?"), says("Fine.")]
    call = begin()
    await call.turn("started")
    turn = Turn(turn_id="x", call_sid="CA1", kind="speech", text="when are you open?")
    call.keep(turn, "We are open from ten to", call.state, "interrupted", heard="We are open")
    assert await call.say("a Funghi") == "Two?"
    assert sent(server)[:4] == [
        ("user", "[The call begins. Greet the caller.]"),
        ("assistant", "Hello!"),
        ("user", "when are you open?"),
        ("assistant", "We are open"),
    ]
    rest = "\n".join(text for role, text in sent(server)[4:])
    assert rest.find("heard no more than this.]") < rest.find("a Funghi")
    assert "from ten" not in str(server.requests[-1])
    assert "You " in instructions(server)


async def test_a_tool_is_run_and_later_turns_know_of_it(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("order", ORDER, first=["One moment."]), says("It is ordered."), says("Yes.")]
    call = begin()
    assert await call.say("two Funghi") == "One moment. It is ordered."
    assert call.state.slots["ordered"] == "2 Funghi"
    [record] = call.state.slots[CALLS_SLOT]
    assert (record["tool"], record["arguments"], record["result"]) == ("order", ORDER, "Ordered: 2 Funghi.")
    assert await call.say("is it ordered?") == "Yes."
    assert ("tool", "Ordered: 2 Funghi.") in sent(server)
    [tool_call] = [m["tool_calls"] for m in server.requests[-1]["messages"] if m.get("tool_calls")]
    assert tool_call[0]["function"]["name"] == "order"


async def test_the_same_call_in_two_turns_is_two_calls_to_the_model(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("order", ORDER), says("Yes."), calls("order", ORDER), says("Yes."), says("Two.")]
    call = begin()
    for words in ("two Funghi", "the same again", "how many orders is that?"):
        await call.say(words)
    ids = [it["id"] for m in server.requests[-1]["messages"] for it in m.get("tool_calls") or ()]
    assert len(ids) == len(set(ids)) == 2
    assert len(module_of(call).ORDERS) == 2


async def test_a_turn_that_is_run_again_orders_once(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("order", ORDER), says("Ordered."), calls("order", ORDER), says("Ordered.")]
    call = begin()
    for _ in range(2):
        call.state = call.state.model_copy(update={"slots": {}, "turns": []})  # the worker died before its commit
        await call.say("two Funghi", turn_id="1")
    [key] = module_of(call).ORDERS
    assert key == call.state.slots[CALLS_SLOT][0]["key"]
    assert key.startswith("CA1/1/order/")


async def test_it_says_goodbye_and_hangs_up_without_being_asked_for_more(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("hang_up", {}, first=["Goodbye!"])]
    call = begin()
    assert await call.say("bye") == "Goodbye!"
    assert call.actions == [HangUp()]
    assert len(server.requests) == 1


async def test_one_that_only_hangs_up_is_asked_for_words(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("hang_up", {}), says("Goodbye!")]
    call = begin()
    assert (await call.say("bye"), call.actions) == ("Goodbye!", [HangUp()])


async def test_a_tool_gives_the_call_to_another_agent_and_the_run_ends(
    server: ModelServer, begin: Begin, framework: str
) -> None:
    server.answers["big"] = [calls("give_to_billing", {"question": "my bill"}, first=["I give you a colleague."])]
    call = begin(name="openai_agents_pizzeria:reception" if framework == "openai-agents" else "")
    assert await call.say("my bill") == "I give you a colleague."
    assert call.actions == [HandOff("billing", note="my bill")]
    assert len(server.requests) == 1


async def test_what_another_agent_noted_is_what_it_answers(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("I hear it is about a pizza.")]
    await begin().turn("handed_off", "wants a pizza")
    assert sent(server) == [("user", "[Another agent has given you the call. Go on with it. Its note: wants a pizza]")]


async def test_the_agents_settings_reach_it(server: ModelServer, begin: Begin, framework: str) -> None:
    server.answers["big"] = [says("Hello.")]
    call = begin(name="openai_agents_pizzeria:reception" if framework == "openai-agents" else "", house="Bella Vista")
    await call.turn("started")
    assert "Bella Vista" in instructions(server)


async def test_an_interrupted_agent_leaves_the_model_at_once(server: ModelServer, begin: Begin) -> None:
    async def begins(connection: Connection) -> None:
        await connection.open()
        await connection.delta(role="assistant", content="We have ")
        await asyncio.Event().wait()

    server.answers["big"] = [begins]
    async with begin().run(Turn(turn_id="1", call_sid="CA1", kind="speech", text="what?")) as run:
        assert await anext(run) == "We have "
    await wait_until(lambda: server.left == 1, "the model was left")


async def test_one_that_has_not_said_a_word_leaves_the_model_too(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [hangs]
    run = begin().run(Turn(turn_id="1", call_sid="CA1", kind="speech", text="what?"))
    waiting = asyncio.ensure_future(anext(run))
    await wait_until(lambda: len(server.requests) == 1, "the model was asked")
    waiting.cancel()
    await run.aclose()
    await wait_until(lambda: server.left == 1, "the model was left")


async def test_a_tool_that_an_interruption_cuts_off_is_remembered(
    server: ModelServer, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["big"] = [calls("order", ORDER), hangs, says("I am not sure.")]
    call = begin()
    turn = Turn(turn_id="1", call_sid="CA1", kind="speech", text="two Funghi")
    run = call.run(turn)
    waiting = asyncio.ensure_future(anext(run))
    await wait_until(lambda: len(server.requests) == 2, "the tool was run, and the model asked again")
    waiting.cancel()
    await run.aclose()
    call.keep(turn, "", run.state_when_stopped, "interrupted", heard="")
    assert call.state.slots["ordered"] == "2 Funghi"
    await call.say("did you order?")
    assert [text for role, text in sent(server) if role == "tool"] in (["Ordered: 2 Funghi."], [NO_RESULT])


@pytest.mark.parametrize("answer", [breaks_off("We are open"), breaks_off("We are ", "open")])
async def test_an_answer_that_breaks_in_the_middle_ends_with_an_apology_and_keeps_the_call(
    server: ModelServer, begin: Begin, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["big"] = [answer]
    assert await begin().say("when are you open?") == f"We are open {BROKE_OFF}"
    assert "llm.stream_failed" in [getattr(record, "action", "") for record in caplog.records]


async def test_a_model_that_refuses_fails_the_turn(
    server: ModelServer, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["big"] = [refuses(401, message="sk-secret is no good")]
    with pytest.raises(Exception, match="401"):
        await begin().say("hello?")
    assert "sk-secret" not in "".join(r.getMessage() for r in caplog.records if r.levelno > logging.DEBUG)


async def test_what_tools_have_done_is_kept_when_the_model_never_answers(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Hello."), calls("order", ORDER), hangs]
    await begin().turn("started")  # what a framework imports with its first request takes long
    call = begin(FrameworkOptions(answer_seconds=5))
    assert await call.say("two Funghi") == BROKE_OFF
    assert call.state.slots["ordered"] == "2 Funghi"
    await wait_until(lambda: server.left == 1, "the model was left")


async def test_nothing_is_asked_of_the_model_once_nobody_listens(server: ModelServer, begin: Begin) -> None:
    call = begin()
    assert (await call.turn("ended", "completed"), await call.turn("interrupted", "Well")) == ("", "")
    assert server.requests == []


async def test_the_third_silence_in_a_row_ends_the_call(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Are you there?"), says("Hello?")]
    call = begin()
    assert [await call.turn("silence") for _ in range(3)] == ["Are you there?", "Hello?", GOODBYE]
    assert call.actions == [HangUp(reason="silence")]


async def test_the_oldest_turns_are_left_out_of_a_long_call(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Fine.")]
    call = begin(FrameworkOptions(history_characters=200))
    for number in range(20):
        turn = Turn(turn_id=f"t{number}", call_sid="CA1", kind="speech", text=f"question {number}")
        call.keep(turn, f"answer {number}", call.state)
    await call.say("and now?")
    text = str(server.requests[-1]["messages"])
    assert ("answer 0'" in text, "answer 5'" in text, "answer 19'" in text) == (True, False, True)
    assert "left out here" in text
