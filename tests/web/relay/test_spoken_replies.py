"""One reply: its parts continue when a stalled run is replaced, and it knows what of it was heard."""

import asyncio

import pytest

from orchestrator.conversation.actions import Play
from orchestrator.conversation.reply import Position, Reply, TurnResult
from orchestrator.dispatch.hub import Pending
from orchestrator.turns.messages import Piece, Token
from web.twilio.relay.spoken_reply import Part, SpokenReply

SOON = 0.01
NEVER = 3600.0


def settle(pending: Pending, text: str, *actions: Play) -> None:
    reply = Reply(text=text, actions=list(actions))
    pending.settle(TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=reply))


async def keep(reply: SpokenReply) -> None:
    """The run of the turn only takes its time."""


async def all_parts(reply: SpokenReply, on_stalled, stall_seconds: float) -> list[Part]:
    """Return the parts, and note each as playout does."""
    parts: list[Part] = []
    async for part in reply.parts(on_stalled, stall_seconds):
        parts.append(part)
        if isinstance(part, str):
            reply.said += part
        else:
            reply.actions_done += 1
    return parts


async def test_the_parts_are_the_words_and_the_inline_actions_in_order() -> None:
    pending, tone = Pending("CA1", "t1"), Play(url="https://example.com/a.mp3", at=6)
    settle(pending, "Hello world.", tone)
    assert await all_parts(SpokenReply("t1", pending), keep, NEVER) == ["Hello ", tone, "world."]


async def test_a_replacement_continues_after_what_was_said() -> None:
    first, second = Pending("CA1", "t1"), Pending("CA1", "t1")
    first.add_token(Token("CA1", "t1", 1, Piece(Position(), "Hello ")))
    settle(second, "Hello world.")

    async def replace(reply: SpokenReply) -> None:
        reply.pending = second

    assert await asyncio.wait_for(all_parts(SpokenReply("t1", first), replace, SOON), 5) == ["Hello ", "world."]


async def test_a_reply_that_takes_its_time_is_checked_again_and_again() -> None:
    pending, checks = Pending("CA1", "t1"), 0

    async def check(reply: SpokenReply) -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            settle(pending, "Hello.")

    assert await asyncio.wait_for(all_parts(SpokenReply("t1", pending), check, SOON), 5) == ["Hello."]
    assert checks == 3


async def test_parts_that_nobody_waits_for_any_more_leave_no_task() -> None:
    before = asyncio.all_tasks()
    task = asyncio.create_task(all_parts(SpokenReply("t1", Pending("CA1", "t1")), keep, NEVER))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("heard", "open_utterances", "all_heard"),
    [
        ("One", 2, "Earlier. One"),
        ("Two", 2, "Earlier. One. Two"),
        ("Three", 0, "Earlier. One. Three"),
        ("", 1, "Earlier. One. "),
    ],
)
async def test_what_was_heard_is_found_in_the_utterances_that_are_not_over(
    heard: str, open_utterances: int, all_heard: str
) -> None:
    reply = SpokenReply("t1", Pending("CA1", "t1"), prefix="Earlier. ", said="One. Two.", utterances=[0, 5])
    assert reply.heard_text(heard, open_utterances) == all_heard
