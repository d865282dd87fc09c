"""A sensitive turn before and after it is hidden, and with which key."""

import base64

import pytest

from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.sensitive_turns.hiding import hidden, is_lost, opened
from orchestrator.sensitive_turns.words import MOST_TURNS, hidden_words, sealed_words_of, with_entry, words_of
from orchestrator.settings import Settings

CARD = "4242 4242 4242 4242"
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()
SEAL_KEY = "a-key-of-thirty-two-characters-or-more"


def settings(**variables: str) -> Settings:
    return Settings(_env_file=None, **variables)


def cipher_of(**variables: str) -> Cipher:
    found = sensitive_cipher(settings(**variables))
    assert found is not None
    return found


def turn(**fields: object) -> Turn:
    return Turn.model_validate({"turn_id": "t1", "call_sid": "CA1", "kind": "speech", "text": CARD, **fields})


def test_a_hidden_turn_has_nothing_of_what_it_brings() -> None:
    given = turn(kind="keys", digits="4242424242424242", confidence=0.9, data={"a": CARD}, unfinished={"t0": CARD})
    found = hidden(given, cipher_of(seal_key=SEAL_KEY))
    assert "4242" not in found.model_dump_json()
    assert "4242" not in repr(found)
    assert (found.text, found.sensitive, found.confidence) == (HIDDEN, True, None)


def test_it_is_opened_as_it_was() -> None:
    cipher, given = (
        cipher_of(seal_key=SEAL_KEY),
        turn(digits="42", confidence=0.5, data={"a": [1]}, unfinished={"t": "x"}),
    )
    assert opened(hidden(given, cipher), cipher) == given.model_copy(update={"sensitive": True})


def test_hiding_a_hidden_turn_changes_nothing() -> None:
    cipher = cipher_of(seal_key=SEAL_KEY)
    once = hidden(turn(), cipher)
    assert hidden(once, cipher) is once


def test_a_signal_keeps_its_name() -> None:
    cipher = cipher_of(seal_key=SEAL_KEY)
    found = hidden(turn(kind="signal", text="paid", data={"card": CARD}), cipher)
    assert (found.text, found.data) == ("paid", {})
    assert (opened(found, cipher).text, opened(found, cipher).data) == ("paid", {"card": CARD})


def test_a_silence_has_nothing_to_hide() -> None:
    found = hidden(turn(kind="silence", text=""), None)
    assert found.sensitive
    assert not found.sealed_words
    assert not is_lost(found)


def test_a_sealed_turn_belongs_to_its_call() -> None:
    cipher = cipher_of(seal_key=SEAL_KEY)
    moved = hidden(turn(), cipher).model_copy(update={"call_sid": "CA2"})
    with pytest.raises(UnreadableSeal):
        opened(moved, cipher)


def test_in_production_without_a_key_what_it_brings_is_lost() -> None:
    cipher = sensitive_cipher(settings(environment="production"))
    assert cipher is None
    found = hidden(turn(), cipher)
    assert is_lost(found)
    assert "4242" not in found.model_dump_json()
    with pytest.raises(UnreadableSeal):
        opened(found, cipher_of(seal_key=SEAL_KEY))


@pytest.mark.parametrize(
    ("ingress", "worker"),
    [
        ({}, {}),
        ({}, {"seal_key": SEAL_KEY}),
        ({"seal_key": SEAL_KEY}, {"seal_key": SEAL_KEY, "state_encryption_keys": f"plain,{KEY}"}),
        ({"seal_key": SEAL_KEY, "state_encryption_keys": f"plain,{KEY}"}, {"seal_key": SEAL_KEY}),
        ({"state_encryption_keys": f"plain,{KEY}"}, {"state_encryption_keys": f"{KEY},plain"}),
        ({"state_encryption_keys": f"{KEY},{OTHER_KEY}"}, {"state_encryption_keys": f"{OTHER_KEY},{KEY}"}),
    ],
)
def test_a_worker_opens_what_an_ingress_hid_while_keys_are_changed(
    ingress: dict[str, str], worker: dict[str, str]
) -> None:
    assert opened(hidden(turn(), cipher_of(**ingress)), cipher_of(**worker)).text == CARD


def test_a_worker_without_the_key_says_that_it_is_missing() -> None:
    given = hidden(turn(), cipher_of(seal_key=SEAL_KEY))
    for cipher in (None, cipher_of()):
        with pytest.raises(UnreadableSeal) as caught:
            opened(given, cipher)
        assert caught.value.is_key_missing


def test_the_state_knows_the_words_of_the_latest_sensitive_turns() -> None:
    cipher, state = cipher_of(), ConversationState(call_sid="CA1")
    for number in range(MOST_TURNS + 1):
        brought = words_of(turn(data={"pin": number}))
        entry = sealed_words_of("CA1", f"t{number}", brought, cipher)
        state = state.model_copy(update={"hidden_words": with_entry(state.hidden_words, entry)})
    assert CARD not in state.model_dump_json()
    found = hidden_words(state, cipher)
    assert len(found) == MOST_TURNS
    assert "t0" not in found
    assert found["t50"] == [CARD, "50"]
