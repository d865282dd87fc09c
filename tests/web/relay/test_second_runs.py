"""When a worker dies, a second run of the turn finishes the reply. It may say something else."""

import asyncio
import json
from collections.abc import Callable

import pytest
from support.waiting import wait_until

from orchestrator.conversation.reply import Position, Reply, TurnResult
from orchestrator.dispatch.hub import Pending
from orchestrator.turns.messages import Piece, Token
from web.twilio.relay.output_gate import OutputGate
from web.twilio.relay.playout import Playout, SpokenReply


class Line:
    """Records what is sent."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False

    async def send(self, *frames: str) -> None:
        for frame in map(json.loads, frames):
            self.text += frame["token"]
            self.ended = frame["last"]


def run(pending: Pending, epoch: int, *tokens: str) -> None:
    """Add the tokens of one run of the agent."""
    index = 0
    for text in tokens:
        pending.add_token(Token(pending.call_sid, pending.turn_id, epoch, Piece(Position(index), text)))
        index += len(text)


def settled(pending: Pending, text: str) -> None:
    pending.settle(TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=Reply(text=text)))


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize(
    ("second", "heard"),
    [
        (("Once upon", " a time."), "Once upon a time."),
        (("Another", " story."), "Once  Another story."),
    ],
)
async def test_after_a_silence_what_a_second_run_says_is_neither_said_twice_nor_cut(
    second: tuple[str, ...], heard: str, replaced: bool
) -> None:
    first, looks = Pending("CA1", "t1"), asyncio.Event()
    pending = Pending("CA1", "t1") if replaced else first

    async def replace(reply: SpokenReply) -> Pending:
        looks.set()
        return pending

    line = Line()
    ignore: Callable[..., None] = lambda *_: None  # noqa: E731
    playout = Playout(line, replace=replace, on_result=ignore, on_error=ignore, stall_seconds=0.02)  # type: ignore[arg-type]
    playout.enqueue(SpokenReply("t1", first))
    run(first, 1, "Once ")
    await wait_until(lambda: line.text == "Once ", "the first run is heard")
    looks.clear()
    await asyncio.wait_for(looks.wait(), 5)
    for said in range(1, len(second) + 1):
        run(pending, 2, *second[:said])
    settled(pending, "".join(second))
    await wait_until(lambda: line.ended, "the reply is over")
    assert line.text == heard
    await playout.close()


async def test_while_the_callers_words_are_being_stored_nothing_more_of_the_reply_is_said() -> None:
    pending, line = Pending("CA1", "t1"), Line()

    async def keep(reply: SpokenReply) -> None:
        """Its turn is being run."""

    ignore: Callable[..., None] = lambda *_: None  # noqa: E731
    playout = Playout(
        line, replace=keep, on_result=ignore, on_error=ignore, stall_seconds=2, gate=OutputGate(grace_seconds=0.01)
    )
    playout.enqueue(SpokenReply("t1", pending))
    run(pending, 1, "Once ", "upon ")
    await wait_until(lambda: line.text == "Once upon ", "it is said")
    playout.pause()
    playout.pause()
    run(pending, 1, "Once ", "upon ", "a time.")
    playout.resume()
    for _ in range(10):  # so many times as long as the grace time
        await pending.wait(0.01)
    assert line.text == "Once upon "
    playout.resume()
    await wait_until(lambda: line.text == "Once upon a time.", "it was not given way to")
    playout.pause()
    run(pending, 1, "Once ", "upon ", "a time.", " There was")
    reply = Reply(text="Once upon a time. There was")
    pending.settle(TurnResult(call_sid="CA1", turn_id="t1", outcome="interrupted", reply=reply))
    await wait_until(lambda: playout.is_idle or line.ended, "it gives way")
    assert line.text == "Once upon a time."
    await playout.close()
