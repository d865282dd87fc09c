"""The call as a language model sees it."""

from collections.abc import Callable
from typing import Any

from support.model_server import ModelServer, calls, says

from orchestrator.agents.call_history import LEFT_OUT
from orchestrator.conversation.reply import Outcome
from orchestrator.conversation.turn import Turn, TurnKind

Begin = Callable[..., Any]


def past(call: Any, kind: TurnKind, text: str, said: str, outcome: Outcome = "replied", **more: Any) -> None:
    """A turn that the call has behind it."""
    number = str(100 + len(call.state.turns))
    call.keep(Turn(turn_id=number, call_sid="CA1", kind=kind, text=text), said, call.state, outcome, **more)


async def seen(server: ModelServer, call: Any, text: str = "go on") -> list[tuple[str, str]]:
    """What the model is sent, without the prompt."""
    server.answers["big"].append(says("Fine."))
    await call.say(text)
    return [(message["role"], message["content"]) for message in server.requests[-1]["messages"][1:]]


async def test_turns_become_messages_and_neighbours_of_one_side_share_one(server: ModelServer, begin: Begin) -> None:
    call = begin()
    past(call, "started", "", "Hello!")
    past(call, "silence", "", "Are you there?")
    past(call, "keys", "12", "")
    past(call, "speech", "yes", "Good.")
    past(call, "speech", "late", "never said", "dropped")
    messages = await seen(server, call)
    assert messages[:4] == [
        ("user", "[The call begins. Greet the caller.]"),
        ("assistant", "Hello!"),
        ("user", "[The caller says nothing.]"),
        ("assistant", "Are you there?"),
    ]
    text = "\n".join(content for _, content in messages[4:-2])
    assert "[The caller pressed the keys 1 2]" in text
    assert "yes" in text
    assert messages[-2:] == [("assistant", "Good."), ("user", "go on")]


async def test_what_was_interrupted_is_shown_as_heard(server: ModelServer, begin: Begin) -> None:
    call = begin()
    past(call, "speech", "when?", "On Monday, or on", "interrupted", heard="On Monday, or on")
    past(call, "interrupted", "On Monday, or on", "")
    past(call, "speech", "Monday!", "", "interrupted", heard="")
    messages = await seen(server, call, "hello?")
    assert messages[:2] == [("user", "when?"), ("assistant", "On Monday, or on")]
    rest = "\n".join(content for role, content in messages[2:] if role == "user")
    order = ["heard no more than this.]", "Monday!", "before they heard any of your answer.]", "hello?"]
    assert [rest.find(piece) for piece in order] == sorted(rest.find(piece) for piece in order)
    assert -1 not in [rest.find(piece) for piece in order]
    assert all("interrupted" not in content for role, content in messages if role == "assistant")


async def test_of_a_reply_that_was_partly_heard_the_model_sees_that_part_alone(
    server: ModelServer, begin: Begin
) -> None:
    call = begin()
    past(call, "speech", "when?", "On Monday, or on Tuesday at ten.", heard="On Monday")
    assert ("assistant", "On Monday") in await seen(server, call)


async def test_a_filler_counts_as_said(server: ModelServer, begin: Begin) -> None:
    call = begin()
    past(call, "speech", "when?", "One moment, please. On Monday.")
    assert ("assistant", "One moment, please. On Monday.") in await seen(server, call)


async def test_a_long_call_is_held_to_the_budget_and_keeps_its_opening(server: ModelServer, begin: Begin) -> None:
    call = begin(llm_history_characters=1000)
    past(call, "started", "", "Hello, this is the practice.")
    for number in range(50):
        past(call, "speech", f"question {number} " + "q" * 50, f"answer {number} " + "a" * 50)
    messages = await seen(server, call, "and now?")
    contents = "\n".join(content for _, content in messages)
    assert messages[1] == ("assistant", "Hello, this is the practice.")
    assert LEFT_OUT in messages[2][1]
    assert "answer 49" in contents
    assert "question 10 " not in contents
    assert messages[-1] == ("user", "and now?")
    assert len(contents) <= 1000 + len(LEFT_OUT) + len("and now?") + len(messages)


async def test_no_call_of_a_tool_is_sent_without_its_result_however_much_is_left_out(
    server: ModelServer, begin: Begin
) -> None:
    call = begin(llm_history_characters=1000)
    for _ in range(12):
        server.answers["big"] += [calls("look_up", {}), says("There are some.")]
        await call.say("when?")
    for request in server.requests:
        asked = [c["id"] for m in request["messages"] for c in m.get("tool_calls") or ()]
        answered = [m["tool_call_id"] for m in request["messages"] if m["role"] == "tool"]
        assert asked == answered


async def test_an_endless_first_turn_does_not_fill_the_budget(server: ModelServer, begin: Begin) -> None:
    call = begin(llm_history_characters=1000)
    past(call, "started", "", "blah " * 1000)
    past(call, "speech", "yes", "Good.")
    messages = await seen(server, call)
    assert LEFT_OUT in messages[0][1]
    assert ("assistant", "Good.") in messages
