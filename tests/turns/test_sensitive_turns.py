"""Sensitive turns in a runner: the agent gets what they bring, and nothing that is kept or published has it."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.actions import Gather, HangUp, SendDigits, SendMessage, SetTimer, StartActivity
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.sensitive import HIDDEN, awaits_sensitive
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.schedule.effects import changes_of
from orchestrator.schedule.item import MessageItem
from orchestrator.schedule.sealed_items import opened_item
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.sensitive_turns.hiding import hidden
from orchestrator.sensitive_turns.replies import opened_result
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import OPENING
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.messages import Arrival, Token
from orchestrator.turns.outcome import APOLOGY, committed_state
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner
from orchestrator.turns.sensitive_run import SensitiveTurns
from tests.support.waiting import wait_until

CARD = "4242 4242 4242 4242"
NUMBER = "4242424242"
ASK = Gather(sensitive=True)
Answer = Callable[[Turn, ConversationState], AsyncIterator[Part]]


class Talk:
    """A call in a store. `agent` answers, `messages` is what was published, as far as it was."""

    def __init__(self, store: Any, states: Any, host: AgentHost, cipher: Cipher | None) -> None:
        self.store, self.states, self.cipher = store, states, cipher
        self.agent: Answer = asks
        self.saw: list[Turn] = []
        agent = Agent("test", self._answer, isolation="inline", speech_filter=False)
        self.runner = TurnRunner(store, agent, host, agent_timeout_seconds=60, sensitive=cipher)

    async def _answer(self, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        self.saw.append(turn)
        async for part in self.agent(turn, state):
            yield part

    async def take(self, turn_id: str, text: str = "hello", *, is_hidden: bool = False, **more: Any) -> TurnResult:
        turn = a_turn(turn_id, **{"text": text, **more})
        await self.store.submit(hidden(turn, self.cipher) if is_hidden else turn, opening=OPENING)
        await self.runner.run(await self.store.claim("CA1", "anna"))
        found = await self.store.find("CA1", turn_id)
        assert isinstance(found, TurnResult)
        return found

    async def ask(self) -> None:
        """Let the agent ask for something sensitive."""
        self.agent = asks
        await self.take("asked")

    async def state(self) -> ConversationState:
        state: ConversationState | None = await self.states.get_state("CA1")
        assert state is not None
        return state

    async def record(self, turn_id: str) -> TurnRecord:
        record = (await self.state()).record_of(turn_id)
        assert record is not None
        return record


async def asks(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    yield ASK
    yield "Please key in your card number."


async def repeats(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    state.slots["card"] = turn.text
    state.slots["compact"] = {"number": turn.text.replace(" ", "")}
    state.slots["other"] = "no secret"
    state.slots[f"named {turn.text}"] = 1
    yield f"You said {turn.text}, thank you. "
    yield SendDigits(turn.text.replace(" ", ""))
    yield "Done."
    yield HangUp(reason=turn.text) if turn.kind == "ended" else Gather(hints=(turn.text,))


@pytest.fixture
def cipher() -> Cipher:
    found = sensitive_cipher(Settings(_env_file=None))
    assert found is not None
    return found


@pytest.fixture(params=["memory", "redis", "states elsewhere"])
async def talk(request: pytest.FixtureRequest, redis_client, cipher) -> AsyncIterator[Talk]:
    memory = InMemoryStateManager(100)
    stores = {
        "memory": lambda: (InMemoryTurnStore(memory), memory),
        "redis": lambda: (RedisTurnStore(redis_client, ttl_seconds=100), RedisStateManager(redis_client, 100)),
        "states elsewhere": lambda: (RedisTurnStore(redis_client, ttl_seconds=100, states=memory), memory),
    }
    async with AgentHost() as host:
        yield Talk(*stores[request.param](), host, cipher)


def a_turn(turn_id: str, **fields: Any) -> Turn:
    return Turn(**{"turn_id": turn_id, "call_sid": "CA1", "kind": "speech", **fields})


def is_clean(*values: Any) -> bool:
    return not any("42424242" in str(value).replace(" ", "").replace("-", "") for value in values)


async def test_the_agent_gets_the_words_and_the_state_has_none(talk: Talk) -> None:
    await talk.ask()
    talk.agent = repeats
    result = await talk.take("card", CARD, is_hidden=True)
    assert (talk.saw[-1].text, talk.saw[-1].sensitive) == (CARD, True)
    state = await talk.state()
    assert is_clean(state.model_dump_json(), result.model_dump_json(), repr(state))
    assert (state.slots["card"], state.slots["other"]) == (HIDDEN, "no secret")
    record = state.turns[-1]
    assert (record.text, record.sensitive, record.reply.text) == (HIDDEN, True, f"You said {HIDDEN}, thank you. Done.")
    keys = next(action for action in record.reply.actions if isinstance(action, SendDigits))
    assert record.reply.text[keys.at or 0 :] == "Done."


async def test_who_speaks_the_reply_gets_all_of_it(talk: Talk, cipher: Cipher) -> None:
    await talk.ask()
    talk.agent = repeats
    reply = opened_result(await talk.take("card", CARD, is_hidden=True), cipher).reply
    assert reply.text == f"You said {CARD}, thank you. Done."
    assert any(isinstance(action, SendDigits) and action.digits == "4242424242424242" for action in reply.actions)
    assert not reply.sealed_words


async def test_words_that_nobody_marked_are_hidden_by_the_worker(talk: Talk) -> None:
    await talk.ask()
    talk.agent = repeats
    await talk.take("card", CARD)
    assert talk.saw[-1].text == CARD
    assert is_clean((await talk.state()).model_dump_json())


async def test_a_later_turn_gets_the_slots_opened_and_hides_what_it_repeats(talk: Talk) -> None:
    await talk.ask()
    talk.agent = repeats
    await talk.take("card", CARD, is_hidden=True)

    async def later(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        assert state.slots[f"named {CARD}"] == 1
        assert state.slots["compact"] == {"number": "4242424242424242"}
        state.slots["copy"] = f"card {state.slots['card']}"
        del state.slots["compact"]
        yield "I have 4242-4242-4242-4242 of yours."

    talk.agent = later
    before = (await talk.state()).hidden_slots
    result = await talk.take("later", f"yes, it is {CARD}")
    state = await talk.state()
    assert is_clean(state.model_dump_json(), result.model_dump_json())
    assert state.turns[-1].text == f"yes, it is {HIDDEN}"
    assert state.hidden_slots["card"] == before["card"]
    assert set(state.hidden_slots) == {"card", "copy", HIDDEN}


async def test_a_turn_is_sensitive_until_words_have_come_and_were_answered(talk: Talk) -> None:
    await talk.ask()

    async def fails(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        raise ValueError(turn.text)
        yield ""

    async def thanks(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield "Thanks."

    talk.agent = thanks
    await talk.take("silence", "", kind="silence")
    assert awaits_sensitive(await talk.state())
    talk.agent = fails
    result = await talk.take("failing", CARD)
    assert (result.reply.text, result.reply.actions) == (APOLOGY, [ASK])
    assert awaits_sensitive(await talk.state())
    talk.agent = thanks
    await talk.take("again", CARD)
    state = await talk.state()
    assert is_clean(state.model_dump_json())
    assert not awaits_sensitive(state)


async def test_what_is_for_later_gets_the_words(talk: Talk, cipher: Cipher) -> None:
    async def later(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        yield StartActivity("shop:pay", {"card": turn.text, "amount": 5})
        yield SetTimer("again", 60, {"card": turn.text})
        yield SendMessage("+15551234567", f"Card {turn.text}")
        yield SendMessage("+14242424242", "Is this yours?")
        yield SetTimer("plain", 60, {"no": "secret"})
        yield "It is being charged."

    await talk.ask()
    before = await talk.state()
    talk.agent = later
    await talk.take("card", NUMBER, is_hidden=True)
    state = await talk.state()
    assert is_clean(state.model_dump_json())
    added = changes_of(before, state, state.turns[-1]).added
    items = {item.item_id.partition("-")[0]: item for item in reversed(added)}
    assert is_clean(*(item.model_dump_json() for item in added))
    to_them = next(item for item in added if isinstance(item, MessageItem) and item.to == HIDDEN)
    whole = opened_item(to_them, cipher)
    assert (whole.to, whole.told_to) == ("+14242424242", HIDDEN)  # type: ignore[union-attr]
    read = await talk.state()
    assert sum(isinstance(action, SendMessage) for action in read.turns[-1].reply.actions) == 2
    assert opened_item(items["activity"], cipher).args == {"card": NUMBER, "amount": 5}  # type: ignore[union-attr]
    assert opened_item(items["message"], cipher).text == f"Card {NUMBER}"  # type: ignore[union-attr]
    timer = state.timers["again"]
    talk.agent = repeats
    await talk.take(timer.turn_id, "again", kind="timer", sealed_words=timer.sealed_words)
    assert talk.saw[-1].data == {"card": NUMBER}
    state = await talk.state()
    assert state.turns[-1].data == {"card": HIDDEN}
    assert is_clean(state.model_dump_json())
    assert state.timers["plain"].data == {"no": "secret"}


async def test_words_that_are_merged_are_whole_for_the_agent(talk: Talk) -> None:
    await talk.ask()
    talk.agent = repeats
    first = hidden(a_turn("first", text="4242 4242"), talk.cipher)
    await talk.store.submit(first)
    claim = await talk.store.claim("CA1", "anna")
    assert claim is not None
    state = await talk.state()
    record = TurnRecord.of(claim.turn, "interrupted", (await talk.record("asked")).reply.model_copy(), epoch=1)
    record.reply.text, record.reply.actions = "", []
    record.__pydantic_extra__ = {"merged": True}
    run = SensitiveTurns(talk.cipher).begin(claim)
    assert run is not None
    run.hide(state, None, record)
    await talk.store.commit(claim, committed_state(state, None, record), record)
    await talk.take("second", "4242 4242")
    assert talk.saw[-1].text == CARD
    assert is_clean((await talk.state()).model_dump_json())


async def test_an_interruption_says_what_was_heard_without_the_words(talk: Talk) -> None:
    await talk.ask()
    talk.agent = repeats
    await talk.take("card", CARD, is_hidden=True)
    await talk.take("cut", "You said 4242 4242 42", kind="interrupted", interrupts="card", is_hidden=True)
    record = await talk.record("card")
    assert (record.heard, record.outcome) == (f"You said {HIDDEN}", "interrupted")
    assert not record.reply.sealed_words
    assert is_clean((await talk.state()).model_dump_json())


async def test_without_a_key_such_a_turn_fails_with_an_apology(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    await talk.ask()
    turn = hidden(a_turn("card", text=CARD), None)
    await talk.store.submit(turn)
    await talk.runner.run(await talk.store.claim("CA1", "anna"))
    record = await talk.record("card")
    assert (record.outcome, record.text) == ("failed", HIDDEN)
    assert record.reply.text == APOLOGY
    assert any(getattr(line, "action", "") == "sensitive.no_key" for line in caplog.records)


async def test_a_worker_without_the_key_leaves_the_turn_to_others(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    await talk.ask()
    other = sensitive_cipher(Settings(_env_file=None, seal_key="a-key-of-thirty-two-characters-or-more"))
    await talk.store.submit(hidden(a_turn("card", text=CARD), other))
    for _ in range(7):
        await wait_until(_claimed(talk), "nobody could claim the turn")
    assert await talk.store.waiting("CA1") == ["card"]
    assert not await talk.store.dead_letters()


@pytest.mark.parametrize("what", ["hidden_words", "hidden_slots"])
async def test_damage_in_what_is_encrypted_is_a_damaged_state(talk: Talk, what: str) -> None:
    await talk.ask()
    talk.agent = repeats
    await talk.take("card", CARD, is_hidden=True)
    state = await talk.state()
    whole = getattr(state, what)
    damaged = dict.fromkeys(whole, "no envelope") if isinstance(whole, dict) else ["no envelope"]
    await talk.states.update_state(state.model_copy(update={what: damaged}))
    await talk.store.submit(a_turn("later", text="hello"))

    async def is_dead_lettered() -> bool:
        await talk.runner.run(await talk.store.claim("CA1", "anna"))
        return bool(await talk.store.dead_letters())

    await wait_until(is_dead_lettered, "the turn is tried for ever")
    assert await talk.store.waiting("CA1") == []


async def test_a_dead_letter_keeps_nothing_of_what_a_turn_brought(talk: Talk) -> None:
    await talk.ask()
    await talk.store.submit(hidden(a_turn("card", text=CARD), talk.cipher))
    claim = await talk.store.claim("CA1", "anna")
    assert claim is not None
    claim.attempt = 100
    await talk.runner.run(claim)
    (letter,) = await talk.store.dead_letters()
    assert (letter.turn.text, letter.turn.sealed_words, letter.is_replayable) == (HIDDEN, "", False)


async def test_a_worker_without_any_key_says_what_it_lacks(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    await talk.ask()
    await talk.store.submit(hidden(a_turn("card", text=CARD), talk.cipher))
    claim = await talk.store.claim("CA1", "anna")
    assert claim is not None
    with pytest.raises(UnreadableSeal):
        SensitiveTurns(None).begin(claim)
    assert any(getattr(line, "action", "") == "seal.unreadable" for line in caplog.records)


def _claimed(talk: Talk) -> Callable[[], Any]:
    async def claimed() -> bool:
        claim = await talk.store.claim("CA1", "anna")
        await talk.runner.run(claim)
        return claim is not None

    return claimed


async def test_pieces_are_encrypted(cipher: Cipher) -> None:
    told: list[Any] = []
    states = InMemoryStateManager(100)
    store = InMemoryTurnStore(states, deliver=told.append)
    async with AgentHost() as host:
        talk = Talk(store, states, host, cipher)
        await talk.ask()

        async def slowly(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
            for word in ("You ", "said ", turn.text, ". "):
                yield word
                for _ in range(5):
                    await store.find("CA1", "none")

        talk.agent = slowly
        await store.submit(hidden(a_turn("card", text=CARD), cipher), stream=True)
        await talk.runner.run(await store.claim("CA1", "anna"))
    pieces = [message.piece for message in told if isinstance(message, Token)]
    assert is_clean(*told)
    assert all(piece.sealed_words for piece in pieces)


def test_the_notice_of_a_sensitive_interruption_has_its_words_encrypted(cipher: Cipher) -> None:
    turn = hidden(a_turn("cut", text=CARD, kind="interrupted", interrupts="t1"), cipher)
    arrival = Arrival.of(turn)
    assert arrival.text is None
    assert is_clean(arrival)
    json.dumps(arrival.sealed_words)
