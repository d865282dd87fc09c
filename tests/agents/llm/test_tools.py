"""What a language model does besides speaking: built-in tools and the user's own, each call once."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.model_server import Connection, ModelServer, breaks_off, calls, hangs, says

from orchestrator.agents.appointments.calendar import free_slots
from orchestrator.agents.call_history import NO_RESULT
from orchestrator.agents.llm.agent import FILLER
from orchestrator.agents.llm.tools import APPOINTMENTS_SLOT
from orchestrator.agents.llm.toolset import FAILED
from orchestrator.agents.reply_text import BROKE_OFF
from orchestrator.agents.tool_records import CALLS_SLOT
from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadAgent
from orchestrator.tasks import cancel_and_wait

Begin = Callable[..., Any]
MODULE = '''
import asyncio, threading
from dataclasses import dataclass
from pydantic_ai import ModelRetry
from orchestrator.conversation.actions import HandOff, Play

orders, threads = [], []
let_go = threading.Event()

def order(pizza: str, count: int = 1, *, idempotency_key: str) -> dict:
    """Order pizza.

    Args:
        pizza: Which one.
        count: How many.
    """
    threads.append(threading.current_thread().name)
    orders.append((idempotency_key, pizza, count))
    return {"order": len(orders)}

async def slow(pizza: str, *, idempotency_key: str) -> str:
    """Bake slowly."""
    orders.append((idempotency_key, pizza, 1))
    while not let_go.is_set():
        await asyncio.sleep(0.01)
    return "baked"

def deliver(address: dict[str, str], *, idempotency_key: str) -> str:
    orders.append((idempotency_key, address, 1))
    return "on its way"

async def to_billing() -> HandOff:
    """Hand the call to billing."""
    return HandOff("billing", note="an invoice")

async def play() -> Play:
    """Play a song."""
    return Play("https://example.com/song.mp3")

def fails():
    """Always fails."""
    raise RuntimeError("the oven password is hunter2")

def bake(size: str) -> str:
    if size != "large":
        raise ModelRetry("There is only large.")
    return "baked"

def large() -> str:
    return "x" * 100_000

def who(turn, state) -> str:
    return f"{turn.text} from {state.from_number}"

def book(size: str) -> str:
    """Another meaning of a built-in name."""
    return f"one {size} table"

def _hidden() -> None: ...

class Shop: ...
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The user's module `shop`, in the current directory."""
    (tmp_path / "shop.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    module = __import__("shop")
    yield module
    module.let_go.set()
    sys.modules.pop("shop", None)


def told(server: ModelServer, number: int = -1) -> list[Any]:
    """What the tools answered, as the model was told in a request."""
    return [m["content"] for m in server.requests[number]["messages"] if m["role"] == "tool"]


def offered(server: ModelServer) -> dict[str, Any]:
    return {tool["function"]["name"]: tool["function"] for tool in server.requests[0]["tools"]}


async def test_an_appointment_is_looked_up_booked_and_remembered(server: ModelServer, begin: Begin) -> None:
    call, time = begin(), free_slots(date.today())[5]
    booking = {"time": f"{time:%Y-%m-%dT%H:%M}", "name": "Ann Lee", "reason": "a check-up"}
    server.answers["big"] = [
        calls("look_up", {"day": time.date().isoformat()}, first=["Let me", " see."]),
        says("There is one."),
        calls("book", booking, split=3),
        says("Done."),
        says("Yes."),
    ]
    assert await call.say("on that day, please") == "Let me see. There is one."
    assert f"{time:%Y-%m-%dT%H:%M} ({time:%A})" in told(server)[0]
    assert await call.say("I'm Ann Lee, that one, for a check-up") == "Done."
    assert call.state.slots[APPOINTMENTS_SLOT] == [
        {"time": time.isoformat(), "name": "Ann Lee", "reason": "a check-up"}
    ]
    assert await call.say("am I booked?") == "Yes."
    assert told(server)[-1] == f"Booked: {time:%Y-%m-%dT%H:%M} ({time:%A}).", "later turns know of it"


async def test_what_is_taken_or_booked_already_is_not_booked(server: ModelServer, begin: Begin) -> None:
    call, time = begin(), free_slots(date.today())[0].isoformat()
    server.answers["big"] = [
        calls("book", {"time": "2020-01-01T10:00", "name": "Ann", "reason": "x"}),
        calls("book", {"time": time, "name": "Ann", "reason": "x"}),
        calls("book", {"time": time, "name": "Ann Lee", "reason": "x"}),
        says("Well."),
    ]
    await call.say("book")
    assert ["not free" in told(server)[0], told(server)[1][:6], "already" in told(server)[2]] == [True, "Booked", True]
    assert len(call.state.slots[APPOINTMENTS_SLOT]) == 1


async def test_it_says_goodbye_and_hangs_up_without_being_asked_for_more(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("hang_up", {"reason": "done"}, first=["Goodbye!"])]
    call = begin()
    assert await call.say("bye") == "Goodbye!"
    assert call.actions == [HangUp(reason="done")]
    assert len(server.requests) == 1


async def test_a_model_that_only_hangs_up_is_asked_for_words(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [calls("hang_up", {}), says("Goodbye!")]
    call = begin()
    assert (await call.say("bye"), call.actions) == ("Goodbye!", [HangUp()])


async def test_callers_are_transferred_to_the_one_number_there_is(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [
        calls("transfer", {"to": "+19005550000"}),
        calls("transfer", {"reason": "angry"}, first=["One moment."]),
    ]
    call = begin(transfer_to="+15557654321")
    assert await call.say("a person!") == "One moment."
    assert "do not fit" in server.requests[1]["messages"][-1]["content"], "it may not choose the number"
    assert call.actions == [Transfer("+15557654321", reason="angry")]


async def test_without_anybody_to_transfer_to_there_is_no_such_tool(server: ModelServer, begin: Begin) -> None:
    server.answers["big"] = [says("Hello.")]
    await begin().turn("started")
    assert list(offered(server)) == ["hang_up", "look_up", "book"]


async def test_a_function_of_ones_own_is_called_with_a_key_that_the_model_never_sees(
    server: ModelServer, begin: Begin, shop: Any
) -> None:
    server.answers["big"] = [calls("order", '{"count": 2, "pizza": "Funghi"}', split=1), says("Ordered.")]
    call = begin(llm_tools="shop:order")
    assert await call.say("two Funghi") == "Ordered."
    parameters = offered(server)["order"]["parameters"]
    assert set(parameters["properties"]) == {"pizza", "count"}
    assert parameters["properties"]["pizza"]["description"] == "Which one."
    [(key, pizza, count)] = shop.orders
    assert (pizza, count, json.loads(told(server)[0])) == ("Funghi", 2, {"order": 1})
    assert key.startswith("CA1/1/order/")
    assert "agents-" not in shop.threads[0], "what is not async runs beside the agents' loop"


async def test_a_turn_run_again_calls_with_the_same_key_whatever_the_order_of_arguments(
    server: ModelServer, begin: Begin, shop: Any
) -> None:
    for address in ('{"street": "A", "town": "B"}', '{"town": "B", "street": "A"}', '{"street": "A", "town": "C"}'):
        server.answers["big"] += [calls("deliver", f'{{"address": {address}}}'), says("Sent.")]
    call = begin(llm_tools="shop:deliver")
    for _ in range(3):
        call.state = call.state.model_copy(update={"slots": {}, "turns": []})  # the worker died before its commit
        await call.turn("speech", "to my house", turn_id="1")
    keys = [key for key, _, _ in shop.orders]
    assert keys[0] == keys[1] != keys[2]


async def test_the_same_call_twice_in_a_turn_is_carried_out_once(server: ModelServer, begin: Begin, shop: Any) -> None:
    order = {"pizza": "Funghi", "count": 1}
    server.answers["big"] = [calls("order", order), calls("order", order), says("Ordered.")]
    await begin(llm_tools="shop").say("a Funghi")
    assert len(shop.orders) == 1
    assert told(server) == ['{"order":1}', '{"order":1}']


async def test_a_call_that_an_interruption_cut_off_is_shown_and_keeps_its_key(
    server: ModelServer, begin: Begin, shop: Any
) -> None:
    server.answers["big"] = [calls("slow", {"pizza": "Funghi"}), calls("slow", {"pizza": "Funghi"}), says("Baked.")]
    call = begin(llm_tools="shop")
    turn = Turn(turn_id="1", call_sid="CA1", kind="speech", text="a Funghi")
    run = call.host.run(call.agent, turn, call.state)
    waiting = asyncio.ensure_future(anext(run))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        while not shop.orders:
            await asyncio.sleep(0.01)
    await cancel_and_wait(waiting)
    await run.aclose()
    call.keep(turn, "", run.state_when_stopped, "interrupted")
    shop.let_go.set()
    assert await call.turn("speech", "did you?", turn_id="2") == "Baked."
    assert told(server, 1) == [NO_RESULT]
    assert len({key for key, _, _ in shop.orders}) == 1, "whoever bakes can tell that it is the same order"
    assert call.state.slots[CALLS_SLOT][0]["result"] == "baked"


async def test_a_tool_that_raises_is_told_to_the_model_without_its_words(
    server: ModelServer, begin: Begin, shop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers["big"] = [calls("fails", {}), says("I am sorry, the oven is broken.")]
    assert await begin(llm_tools="shop").say("bake!") == "I am sorry, the oven is broken."
    assert told(server) == [FAILED]
    assert "The tool fails raised RuntimeError" in caplog.text


async def test_a_tool_that_asks_to_be_called_otherwise_is_called_again_and_leaves_no_note(
    server: ModelServer, begin: Begin, shop: Any
) -> None:
    server.answers["big"] = [calls("bake", {"size": "small"}), calls("bake", {"size": "large"}), says("Large, then.")]
    call = begin(llm_tools="shop")
    assert await call.say("bake!") == "Large, then."
    assert told(server) == ["There is only large.", "baked"]
    assert [note["arguments"] for note in call.state.slots[CALLS_SLOT]] == [{"size": "large"}]


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("order", '{"pizza": ', "are no JSON object"),
        ("order", '["Funghi"]', "are no JSON object"),
        ("order", '{"count": "many"}', "pizza: "),
        ("fly", "{}", "There is no tool fly. There are: hang_up, look_up, book, order"),
    ],
)
async def test_a_call_that_makes_no_sense_is_explained_to_the_model(
    server: ModelServer, begin: Begin, shop: Any, tool: str, arguments: str, sentence: str
) -> None:
    server.answers["big"] = [calls(tool, arguments), says("Which pizza?")]
    assert await begin(llm_tools="shop").say("order") == "Which pizza?"
    assert sentence in told(server)[0]
    assert shop.orders == []


async def test_what_tools_return_is_bounded_and_may_be_an_action(server: ModelServer, begin: Begin, shop: Any) -> None:
    server.answers["big"] = [calls("large", {}), calls("play", {}), calls("who", {}), says("Listen.")]
    call = begin(llm_tools="shop")
    assert await call.say("sing") == "Listen."
    assert [len(answer) < 5000 for answer in told(server)] == [True, True, True]
    assert told(server)[-1] == "sing from +15550001111"
    assert [action.type for action in call.actions] == ["play"]


async def test_a_model_that_hands_the_call_over_is_asked_no_more(server: ModelServer, begin: Begin, shop: Any) -> None:
    server.answers["big"] = [calls("to_billing", {}), says("Not said.")]
    call = begin(llm_tools="shop")
    assert await call.say("my invoice") == ""
    assert [action.type for action in call.actions] == ["hand_off"]
    assert len(server.requests) == 1


async def test_a_tool_of_ones_own_takes_the_place_of_a_built_in_one(
    server: ModelServer, begin: Begin, shop: Any
) -> None:
    server.answers["big"] = [calls("book", {"size": "large"}), says("Booked.")]
    await begin(llm_tools="shop").say("a large table")
    assert told(server) == ["one large table"]
    names = list(offered(server))
    assert names.count("book") == 1
    assert ("order" in names, "_hidden" in names, "Shop" in names, "ModelRetry" in names) == (True, False, False, False)


async def test_what_tools_have_done_is_kept_when_the_model_breaks_afterwards(
    server: ModelServer, begin: Begin, shop: Any
) -> None:
    server.answers["big"] = [calls("order", {"pizza": "Funghi"}), breaks_off()]
    server.answers["small"] = [breaks_off()]
    call = begin(llm_tools="shop", llm_fallback_model="small")
    assert await call.say("a Funghi") == BROKE_OFF
    assert call.state.slots[CALLS_SLOT][0]["result"] == {"order": 1}


async def test_a_tool_that_takes_too_long_ends_with_the_turns_time(
    server: ModelServer, begin: Begin, shop: Any
) -> None:
    server.answers["big"] = [calls("slow", {"pizza": "Funghi"}), hangs]
    call = begin(llm_tools="shop", agent_timeout_seconds=2)
    assert await call.say("a Funghi") == BROKE_OFF
    assert "result" not in call.state.slots[CALLS_SLOT][0]


async def test_after_a_tool_the_filler_and_the_fallback_help_too(server: ModelServer, begin: Begin, shop: Any) -> None:
    async def once_it_is_ordered(connection: Connection) -> None:
        is_ordered = connection.request["messages"][-1]["role"] == "tool"
        await (says("Ordered.") if is_ordered else hangs)(connection)

    server.answers["big"] = [calls("order", {"pizza": "Funghi"}), hangs]
    server.answers["small"] = [once_it_is_ordered, once_it_is_ordered]
    call = begin(llm_tools="shop", llm_first_token_seconds=0.3, llm_fallback_model="small")
    assert await call.say("a Funghi") == f"{FILLER} Ordered."
    assert len(shop.orders) == 1


@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ("nowhere", "LLM_TOOLS=nowhere: there is no module 'nowhere' here"),
        ("shop:pay", "LLM_TOOLS=shop:pay: the module shop has no 'pay'"),
        ("shop:orders", "LLM_TOOLS=shop:orders: list is not a function"),
        ("shop order", "LLM_TOOLS=shop order names nothing"),
        ("support", "LLM_TOOLS=support: the module has no public functions"),
    ],
)
async def test_tools_that_are_none_stop_the_process_at_start(
    begin: Begin, shop: Any, tools: str, sentence: str
) -> None:
    with pytest.raises(BadAgent) as refused:
        begin(llm_tools=tools)
    assert sentence in str(refused.value)
