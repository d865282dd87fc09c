"""What lies under another key, or under none, can be written anew: it says the same, also to scripts."""

import pytest
from support.encrypted_redis import KEY, OTHER_KEY

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.envelope import Envelope
from orchestrator.encryption.keys import key_list
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys
from orchestrator.sensitive_turns.hiding import hidden, opened
from orchestrator.sensitive_turns.slots import opened_slots, slot_place
from orchestrator.sensitive_turns.words import words_place
from orchestrator.state.redis.sealed_states import opened_state, resealed_state, sealed_state
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letters import resealed_letter
from orchestrator.turns.redis.entries import Entries, resealed_entry

TURN = Turn(turn_id="t1", call_sid="CA1", kind="interrupted", text="hello", interrupts="t0")
STATE = ConversationState(call_sid="CA1", version=7, slots={"name": "Ada"})
TURNS = keys.call("CA1").turns
ORDERS = [("plain", f"plain,{KEY}", f"{KEY},plain", KEY), (KEY, f"{KEY},{OTHER_KEY}", f"{OTHER_KEY},{KEY}", OTHER_KEY)]
"""How the setting changes, from one deploy to the next: the first time, and with a new key."""


def ciphers(order: tuple[str, ...]) -> list[Cipher]:
    return [Cipher(key_list(text)) for text in order]


def front(stored: bytes) -> bytes:
    envelope = Envelope.unpack(stored)
    assert envelope is not None
    return envelope.front


@pytest.mark.parametrize("order", ORDERS, ids=["first key", "next key"])
def test_each_kind_of_value_is_readable_throughout_and_then_lies_under_the_new_key(order) -> None:
    before, *between, after = ciphers(order)
    key, letter = keys.state("CA1"), DeadLetter(turn=TURN, attempts=3, reason="it ended its process")
    result = TurnResult(call_sid="CA1", turn_id="t1", outcome="replied").model_dump_json()

    def raw(text):
        return text if isinstance(text, bytes) else text.encode()

    written = {
        (resealed_state, key, ""): sealed_state(before, STATE, STATE.model_dump_json().encode()),
        (resealed_entry, TURNS, "t1"): b"P" + raw(Entries(before).sealed_turn(TURN, 1.0)),
        (resealed_entry, TURNS, "t2"): b"R" + raw(Entries(before).sealed_result("CA1", "t2", result)),
        (resealed_letter, keys.DEAD_LETTERS, letter.key): before.seal(
            f"{keys.DEAD_LETTERS}/{letter.key}", letter.model_dump_json().encode(), {"call_sid": "CA1", "turn_id": "t1"}
        ),
    }
    fresh = {
        (resealed_state, key, ""): sealed_state(after, STATE, STATE.model_dump_json().encode()),
        (resealed_entry, TURNS, "t1"): raw(Entries(after).sealed_turn(TURN, 1.0)),
    }
    for (reseal, name, field), stored in written.items():
        for cipher in between:
            resealed = reseal(cipher, name, field, stored)
            if resealed is not None:
                stored = resealed
        assert reseal(between[-1], name, field, stored) is None, "it is current"
        assert reseal(after, name, field, stored) is None
        body = stored if reseal is not resealed_entry else stored[1:]
        place = name if reseal is resealed_state else f"{name}/{field}"
        assert after.open(place, body)
        if (as_written := fresh.get((reseal, name, field))) is not None:
            assert front(body) == front(as_written), "scripts find in it what they find in a new one"
        if reseal is resealed_state:
            assert opened_state(after, "CA1", stored) == STATE


def test_what_cannot_be_opened_or_is_something_else_is_left() -> None:
    one, two = ciphers((KEY, OTHER_KEY))
    with pytest.raises(UnreadableSeal):
        resealed_state(two, keys.state("CA1"), "", sealed_state(one, STATE, STATE.model_dump_json().encode()))
    plain_too = Cipher(key_list(f"{KEY},plain"))
    for reseal, stored in (
        (resealed_state, b"[]"),
        (resealed_state, b'{"version":"x"}'),
        (resealed_entry, b"?"),
        (resealed_entry, b"P{}"),
        (resealed_letter, b"{}"),
    ):
        with pytest.raises(ValueError, match=r"."):
            reseal(plain_too, "voiceagent:dead", "t1", stored)


def test_what_sensitive_turns_brought_is_written_anew_with_the_rest() -> None:
    one, two = ciphers((KEY, f"{OTHER_KEY},{KEY}"))
    turn = hidden(Turn(turn_id="t1", call_sid="CA1", kind="speech", text="4242 4242"), one)
    card = one.seal(slot_place("CA1", "card"), b'"4242 4242"').decode()
    state = ConversationState(
        call_sid="CA1", slots={"card": "[hidden]"}, hidden_slots={"card": card},
        hidden_words=[one.seal(words_place("CA1"), b'["t1", "4242 4242"]').decode()],
    )  # fmt: skip
    stored = sealed_state(two, state, state.model_dump_json().encode())
    assert resealed_state(two, keys.state("CA1"), "", stored) is None
    resealed = resealed_state(two, keys.state("CA1"), "", stored, two)
    after = Cipher(key_list(OTHER_KEY))
    read = opened_state(after, "CA1", resealed)
    assert opened_slots(read, after)["card"] == "4242 4242"
    assert after.open(words_place("CA1"), read.hidden_words[0].encode()) == b'["t1", "4242 4242"]'
    assert resealed_state(two, keys.state("CA1"), "", resealed, two) is None
    entry = b"P" + Entries(two).sealed_turn(turn, 1.0)
    entry = resealed_entry(two, TURNS, "t1", entry, two)
    assert opened(Entries(after).waiting_turn("CA1", "t1", entry[1:]), after).text == "4242 4242"
