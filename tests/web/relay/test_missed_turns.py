"""After a gap in what an ingress hears, a session says what it missed before what it hears next."""

import asyncio

import pytest
from support.ingress import CALL
from support.waiting import wait_until

from orchestrator.conversation.reply import Position, Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_PREFIX, Turn, TurnKind
from orchestrator.dispatch.hub import Pending
from orchestrator.errors import StoreUnavailable
from orchestrator.turns.messages import Piece, Token
from web.twilio.relay.last_known_state import LastKnownState
from web.twilio.relay.own_turns import OwnTurns
from web.twilio.relay.reply_queue import ComesBefore, ReplyQueue
from web.twilio.relay.spoken_reply import SpokenReply


class Speech:
    """Takes the replies, and says none: the order in which it would is in `queue`."""

    def __init__(self) -> None:
        self.queue = ReplyQueue()

    def insert(self, reply: SpokenReply, comes_before: ComesBefore) -> None:
        self.queue.insert(reply, comes_before)

    @property
    def order(self) -> list[str]:
        return [reply.turn_id for reply in self.queue]


class Store:
    def __init__(self, *turn_ids: str) -> None:
        self.turns = [record(turn_id) for turn_id in turn_ids]
        self.error: Exception | None = None
        self.reads = 0

    async def read(self) -> ConversationState | None:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return ConversationState(call_sid=CALL, version=9, turns=self.turns)


def record(turn_id: str) -> TurnRecord:
    kind: TurnKind = "signal" if turn_id.startswith(OWN_PREFIX) else "speech"
    turn = Turn(turn_id=turn_id, call_sid=CALL, kind=kind, text=turn_id)
    return TurnRecord.of(turn, "replied", Reply(text=f"News of {turn_id}."))


def growing(turn_id: str) -> Pending:
    """A reply of which the first word has come."""
    pending = Pending(CALL, turn_id)
    pending.add_token(Token(CALL, turn_id, 1, Piece(Position(0, 0), "News")))
    return pending


@pytest.fixture
def speech() -> Speech:
    return Speech()


def session(speech: Speech, store: Store, missed_seconds: float = 3600.0) -> OwnTurns:
    known = LastKnownState(store.read, is_shared=True, on_read=lambda state: own.catch_up(state))
    own = OwnTurns(CALL, speech, known, lambda reply: None, missed_seconds=missed_seconds)  # type: ignore[arg-type]
    own.place()
    return own


async def test_what_was_missed_goes_before_what_is_heard_next(speech: Speech) -> None:
    own = session(speech, Store("~1"))
    own.missed()
    own.hear(growing("~2"), interrupts=False)
    assert speech.order == []
    own.look(None)
    await wait_until(lambda: len(speech.order) == 2, "both are to be said")
    assert speech.order == ["~1", "~2"]


async def test_what_is_heard_and_stored_keeps_its_place(speech: Speech) -> None:
    own = session(speech, Store("~1", "~2", "~3"))
    own.missed()
    for heard in ("~3", "~1"):
        own.hear(growing(heard), interrupts=False)
    own.look(9)
    await wait_until(lambda: len(speech.order) == 3, "all are to be said")
    assert speech.order == ["~1", "~2", "~3"]


async def test_an_answer_that_was_missed_goes_before_what_is_heard_next(speech: Speech) -> None:
    own = session(speech, Store("words", "~1"))
    answer = SpokenReply("words", Pending(CALL, "words"), is_unprompted=False)
    speech.queue.append(answer)
    own.missed()
    own.hear(growing("~1"), interrupts=False)
    own.hear(growing("~2"), interrupts=False)
    own.look(None)
    await wait_until(lambda: len(speech.order) == 3, "all are to be said")
    assert speech.order == ["words", "~1", "~2"]


async def test_an_answer_waits_until_it_is_known_what_was_missed(speech: Speech) -> None:
    store = Store("~1")
    store.error = StoreUnavailable()
    own = session(speech, store)
    await own.nothing_missed()
    own.missed()
    answer = asyncio.create_task(own.nothing_missed())
    own.look(None)  # cannot be read yet
    await wait_until(lambda: store.reads > 0, "the state is read")
    assert not answer.done()
    store.error = None
    await answer
    assert speech.order == ["~1"]


async def test_if_the_state_has_not_moved_nothing_waits(speech: Speech) -> None:
    own = session(speech, Store())
    own.missed()
    own.hear(growing("~1"), interrupts=False)
    own.look(0)
    assert speech.order == ["~1"]


async def test_a_store_that_cannot_be_read_holds_nothing_up(speech: Speech) -> None:
    store = Store()
    store.error = StoreUnavailable()
    own = session(speech, store, missed_seconds=0.0)
    own.missed()
    own.look(None)
    own.hear(growing("~1"), interrupts=False)
    await wait_until(lambda: speech.order == ["~1"], "it is to be said all the same")


async def test_a_session_that_began_blind_says_what_came_last_alone(speech: Speech) -> None:
    own = session(speech, Store("~1", "words", "~2"))
    own.begin_blind()
    own.look(None)
    await wait_until(lambda: speech.order, "something is to be said")
    assert speech.order == ["~2"]
