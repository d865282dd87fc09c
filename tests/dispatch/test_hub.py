"""What a waiting ingress makes of the messages it gets, in whatever order they come."""

import asyncio
import gc
import time
from typing import Any

from orchestrator.conversation.actions import Play, SetLanguage
from orchestrator.conversation.reply import Position, Reply, TurnResult
from orchestrator.dispatch.hub import Pending, ReplyHub
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.messages import Piece, Settled, Token


def token(text: str, index: int, epoch: int = 1) -> Token:
    return Token("CA1", "t1", epoch, Piece(Position(index), text))


def settled(text: str) -> Settled:
    return Settled(TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=Reply(text=text)), 1)


async def spoken(pending: Pending) -> list[str]:
    return [text async for text in pending.tokens()]


async def test_tokens_of_an_older_epoch_are_dropped() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    hub.deliver(token("new ", 0, epoch=2))
    hub.deliver(token("old words", 0, epoch=1))
    hub.deliver(token("words", 4, epoch=2))
    assert await anext(pending.tokens()) == "new words"


async def test_a_second_run_is_given_from_where_the_first_was_cut() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    tokens = pending.tokens()
    hub.deliver(token("one two ", 0, epoch=1))
    assert await anext(tokens) == "one two "
    hub.deliver(token("one two three", 0, epoch=2))
    assert await anext(tokens) == "three"
    hub.deliver(settled("one two three"))
    assert [text async for text in tokens] == []


async def test_a_lost_token_is_filled_by_the_result() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    hub.deliver(token("one ", 0))
    hub.deliver(token("three", 8))
    hub.deliver(settled("one two three"))
    assert await spoken(pending) == ["one two three"]


async def test_a_token_that_comes_twice_is_heard_once() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    for _ in range(2):
        hub.deliver(token("one ", 0))
    assert await anext(pending.tokens()) == "one "


async def test_the_first_result_stands_and_everybody_gets_it() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    waiting = [asyncio.create_task(pending.wait(3600)) for _ in range(3)]
    await asyncio.sleep(0)
    hub.deliver(settled("first"))
    hub.deliver(settled("second"))
    results = await asyncio.gather(*waiting)
    assert {result.reply.text for result in results if result} == {"first"}


async def test_a_result_that_does_not_come_in_time_is_none_and_leaves_others_waiting() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    patient = asyncio.create_task(pending.wait(3600))
    impatient = asyncio.create_task(pending.wait(3600))
    assert await pending.wait(0.01) is None
    await cancel_and_wait(impatient)
    hub.deliver(settled("late"))
    assert (result := await patient) is not None
    assert result.reply.text == "late"
    assert await pending.wait(0) is result


async def test_a_result_may_come_in_the_moment_of_the_timeout() -> None:
    hub = ReplyHub()
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))

    waiting = asyncio.create_task(hub.pending("CA1", "t1").wait(0.001))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.001, hub.deliver, settled("just in time"))
    time.sleep(0.01)  # both timers are due when the loop looks
    await waiting
    await asyncio.sleep(0.01)
    assert errors == []


async def test_a_turn_that_nobody_waits_for_is_forgotten() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    assert hub.pending("CA1", "t1") is pending
    assert hub.unsettled(0) == [pending]
    del pending
    gc.collect()
    assert hub.unsettled(0) == []
    hub.deliver(settled("nobody hears it"))


async def test_a_second_run_that_says_something_else_is_given_from_its_beginning() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    tokens = pending.tokens()
    hub.deliver(token("You said num", 0))
    assert await anext(tokens) == "You said num"
    hub.deliver(Settled(TurnResult(call_sid="CA1", turn_id="t1", outcome="failed", reply=Reply(text="I'm sorry.")), 4))
    assert [text async for text in tokens] == [" I'm sorry."]


async def test_a_second_run_is_waited_for_until_it_has_caught_up() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    tokens = pending.tokens()
    hub.deliver(token("one two", 0))
    assert await anext(tokens) == "one two"
    hub.deliver(token("one", 0, epoch=2))
    hub.deliver(token(" two three", 3, epoch=2))
    assert await anext(tokens) == " three"


async def test_nothing_is_said_after_an_interruption() -> None:
    hub = ReplyHub()
    pending = hub.pending("CA1", "t1")
    tokens = pending.tokens()
    hub.deliver(token("Life is a complex set", 0))
    assert await anext(tokens) == "Life is a complex set"
    hub.deliver(
        Settled(TurnResult(call_sid="CA1", turn_id="t1", outcome="interrupted", reply=Reply(text="life is")), 1)
    )
    assert [text async for text in tokens] == []


async def test_what_a_first_run_has_done_a_second_one_does_not_do_again() -> None:
    pending = Pending("CA1", "t1")
    language, song = SetLanguage(speech="sv-SE", at=0), Play("https://example.com/a.mp3", at=5)
    parts = pending.parts()
    pending.add_token(Token("CA1", "t1", 1, Piece(Position(), "Hej! ", (language,))))
    assert [await anext(parts), await anext(parts)] == [language, "Hej! "]
    pending.add_token(Token("CA1", "t1", 2, Piece(Position(), "Hej! Nu ", (language, song))))
    assert [await anext(parts), await anext(parts)] == [song, "Nu "]


async def test_text_after_a_lost_action_waits_for_the_result() -> None:
    pending = Pending("CA1", "t1")
    pending.add_token(Token("CA1", "t1", 1, Piece(Position(0, 1), "Hej!")))
    language = SetLanguage(speech="sv-SE", at=0)
    reply = Reply(text="Hej!", actions=[language])
    pending.settle(TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=reply))
    assert [part async for part in pending.parts()] == [language, "Hej!"]


async def test_who_asks_again_is_not_given_what_somebody_still_holds() -> None:
    """The call may have been erased, and begun again under its name."""
    hub = ReplyHub()
    held = hub.pending("CA1", "t1")
    hub.deliver(settled("my secret"))
    assert held.result is not None
    again = hub.pending("CA1", "t1")
    assert again.result is None
    assert hub.pending("CA1", "t1") is again


async def test_a_reader_that_has_text_and_actions_from_elsewhere_gets_what_follows() -> None:
    language, song = SetLanguage(speech="sv-SE", at=0), Play("https://example.com/a.mp3", at=5)
    pending = Pending("CA1", "t1")
    pending.add_token(Token("CA1", "t1", 1, Piece(Position(), "Hej! Nu", (language, song))))
    parts = pending.parts("Hej", 1)
    assert [await anext(parts) for _ in range(3)] == ["! ", song, "Nu"]
