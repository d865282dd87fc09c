"""A caller who has spoken again does not hear the reply to their earlier words, unless the agent's policy says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.ingress import CALL
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.actions import HangUp, SetLanguage
from orchestrator.conversation.reply import Position, Reply, TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.hub import Pending
from orchestrator.errors import StoreUnavailable
from orchestrator.turns.messages import Piece, Token
from web.twilio.relay.output_gate import OutputGate
from web.twilio.relay.playout import Playout, SpokenReply


class Line:
    """Records what is sent."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    async def send(self, *frames: str) -> None:
        self.frames += frames

    def close_after(self, seconds: float) -> None:
        """The session is over."""


async def _keep(reply: SpokenReply) -> None:
    """Its turn is being run."""


def idle_playout(line: Line, *, stall_seconds: float = 2, grace_seconds: float = 0.15) -> Playout:
    ignore: Callable[..., None] = lambda *_: None  # noqa: E731
    gate = OutputGate(grace_seconds)
    return Playout(
        line,  # type: ignore[arg-type]
        replace=_keep,
        on_result=ignore,
        on_error=ignore,
        stall_seconds=stall_seconds,
        gate=gate,
    )


def settled(pending: Pending, overlap: str | None, *, text: str = "Once upon a time.", actions: Any = ()) -> None:
    reply = Reply(text=text, actions=list(actions))
    pending.settle(TurnResult(call_sid="CA1", turn_id=pending.turn_id, outcome="replied", reply=reply, overlap=overlap))


@pytest.mark.parametrize(
    ("overlap", "is_said"), [("interrupt", False), ("enqueue", True), ("merge", True), ("reject", True), (None, True)]
)
async def test_a_reply_that_comes_after_the_caller_spoke_again_is_said_if_the_overlap_policy_says_so(
    overlap: str | None, is_said: bool
) -> None:
    line, attached, next_one = Line(), Pending("CA1", "t1"), Pending("CA1", "t2")
    playout = idle_playout(line)
    playout.enqueue(SpokenReply("t1", attached))
    playout.pause()
    assert playout.take_unfinished_texts() == {"t1": ""}
    settled(attached, overlap)
    playout.resume()
    playout.enqueue(SpokenReply("t2", next_one))
    settled(next_one, overlap, text="Something else.")
    await wait_until(lambda: any("Something else." in frame for frame in line.frames), "the next reply is said")
    assert any("Once upon" in frame for frame in line.frames) is is_said
    await playout.close()


async def test_a_reply_that_the_words_have_ended_before_they_are_stored_is_told_with_them() -> None:
    """The turn of the words may wait for an interruption before it, while the reply gets its result."""
    line, pending = Line(), Pending("CA1", "t1")
    playout = idle_playout(line, grace_seconds=0.0)
    playout.enqueue(SpokenReply("t1", pending))
    playout.pause()
    settled(pending, "interrupt")
    await wait_until(lambda: not playout.is_speaking, "it is over")
    assert line.frames == []
    assert playout.take_unfinished_texts() == {"t1": ""}
    assert playout.take_unfinished_texts() == {}
    await playout.close()


async def test_what_nobody_asked_for_is_said_if_its_run_was_over_before_the_words_stopped_it() -> None:
    line, pending = Line(), Pending("CA1", "~t1")
    playout = idle_playout(line, grace_seconds=0.0)
    playout.enqueue(SpokenReply("~t1", pending, is_unprompted=True))
    pending.add_token(Token("CA1", "~t1", 1, Piece(Position(), "")))
    playout.pause()
    settled(pending, "interrupt", text="News.")
    await wait_until(lambda: any("News." in frame for frame in line.frames), "it is said")
    assert playout.take_unfinished_texts() == {}
    await playout.close()


async def test_a_reply_that_was_begun_before_the_caller_spoke_is_not_continued() -> None:
    line, pending, next_one = Line(), Pending("CA1", "t1"), Pending("CA1", "t2")
    playout = idle_playout(line)
    playout.enqueue(SpokenReply("t1", pending))
    pending.add_token(Token("CA1", "t1", 1, Piece(Position(), "Once ")))
    await wait_until(lambda: len(line.frames) == 1, "it was begun")
    playout.pause()
    assert playout.take_unfinished_texts() == {"t1": "Once "}
    settled(pending, "interrupt")
    playout.resume()
    playout.enqueue(SpokenReply("t2", next_one))
    settled(next_one, "interrupt", text="Something else.")
    await wait_until(lambda: any("Something else." in frame for frame in line.frames), "the next reply is said")
    assert not any("upon" in frame for frame in line.frames)
    await playout.close()


async def test_where_the_policy_is_interrupt_nothing_is_said_until_the_result_is_known() -> None:
    line, first, second, third = Line(), Pending("CA1", "t1"), Pending("CA1", "t2"), Pending("CA1", "t3")
    playout = idle_playout(line, stall_seconds=0.01, grace_seconds=0.01)
    playout.enqueue(SpokenReply("t1", first))
    settled(first, "interrupt", text="Hello!")
    await wait_until(lambda: any('"last": true' in frame for frame in line.frames), "it is said")
    playout.enqueue(SpokenReply("t2", second))
    playout.pause()
    playout.resume()
    playout.enqueue(SpokenReply("t3", third))
    second.add_token(Token("CA1", "t2", 1, Piece(Position(), "Once ")))
    for _ in range(20):
        await second.wait(0.01)
    assert not any("Once" in frame for frame in line.frames), "the news of the next words may have been lost"
    settled(second, "interrupt")
    settled(third, "interrupt", text="Something else.")
    await wait_until(lambda: any("Something else." in frame for frame in line.frames), "the next reply is said")
    assert not any("Once" in frame for frame in line.frames)
    await playout.close()


async def test_the_words_before_a_hang_up_are_said_in_any_case() -> None:
    line, attached = Line(), Pending("CA1", "t1")
    playout = idle_playout(line)
    playout.enqueue(SpokenReply("t1", attached))
    playout.pause()
    settled(attached, "interrupt", text="Goodbye!", actions=[HangUp()])
    playout.resume()
    await wait_until(lambda: any("Goodbye!" in frame for frame in line.frames), "it is said")
    playout.clock.all_spoken()
    await wait_until(lambda: any('"end"' in frame for frame in line.frames), "the session ends")
    await playout.close()


async def test_a_language_that_was_chosen_holds_though_nothing_is_said() -> None:
    line, attached = Line(), Pending("CA1", "t1")
    playout = idle_playout(line)
    playout.enqueue(SpokenReply("t1", attached))
    playout.pause()
    settled(attached, "interrupt", text="Hej!", actions=[SetLanguage(speech="sv-SE", at=0)])
    playout.resume()
    await wait_until(lambda: playout.is_idle, "it is over")
    assert ["sv-SE" in frame for frame in line.frames] == [True]
    await playout.close()


@pytest.mark.parametrize("overlap", ["interrupt", "enqueue"])
async def test_a_reply_that_is_ready_after_the_caller_came_back_and_spoke(start_ingress, gate, overlap):
    noted: list[str] = []

    async def slow(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield "Hello!"
        elif turn.text == "a story":
            await gate.wait()
            yield "Once upon a time."
        else:
            record = state.record_of("VX1-1")
            noted.append(record.heard_text)
            yield f"You said {turn.text}."

    async with start_ingress(agent=slow) as ingress:
        runner = ingress.dispatcher.runner
        runner.agents = AgentTable(Agent("slow", slow, overlap=overlap, isolation="inline"))
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL)
            await caller.reply()
            await caller.prompt("a story")
            await wait_until(lambda: len(ingress.turns) == 2, "the turn was handed over")
        async with relay_socket(ingress.url) as caller:
            await caller.setup(CALL, "VX2", customParameters={"lines": "0-1"})
            session = await wait_until(lambda: _session(ingress), "the session has found its call")
            ingress.trouble(StoreUnavailable("away"))
            await caller.prompt("never mind")
            await wait_until(lambda: session.take_unfinished_texts(), "the words are on their way")
            gate.set()
            await asyncio.wait_for(ingress.dispatcher.idle(CALL, 5), 6)
            ingress.trouble(None)
            heard = [await caller.reply()]
            if overlap == "enqueue":
                heard.append(await caller.reply())
        state = await ingress.state()
    assert heard[-1] == "You said never mind."
    assert ("Once upon a time." in heard) is (overlap == "enqueue")
    assert noted == ["Once upon a time." if overlap == "enqueue" else ""]
    assert (state.record_of("VX1-1").heard == "") is (overlap == "interrupt")


def _session(ingress) -> Playout | None:
    """Return the playout of the one session, once it speaks what is unanswered."""
    session = ingress.app.state.ingress.sessions.find(CALL)
    return session.playout if session is not None and session.playout.is_speaking else None
