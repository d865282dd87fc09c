"""What a piece of a reply is on the wire: old and new processes read each other's pieces."""

import json
from typing import get_args

import pytest
from support.encrypted_redis import KEY, OTHER_KEY

from orchestrator.conversation.actions import Play, SetLanguage
from orchestrator.conversation.reply import START, Position, Reply, TurnResult, in_order
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.encryption.keys import key_list
from orchestrator.errors import UnreadableSeal
from orchestrator.turns.messages import (
    Arrival,
    CallReleased,
    Piece,
    Settled,
    Token,
    arrival_message,
    call_released_message,
    read_arrival,
    read_to_ingress,
    settled_message,
    token_message,
)

LANGUAGE = SetLanguage(speech="sv-SE", at=0)
SONG = Play("https://example.com/a.mp3", at=5)


@pytest.mark.parametrize("text", ["good day", 'he said "no"\\', "\n\x00\x1f\x7f", "å\u2028\U0001f600"])
def test_a_result_is_the_json_that_an_encoder_writes(text: str) -> None:
    result = RESULT.model_copy(update={"reply": Reply(text=text)}).model_dump_json()
    assert settled_message(text, text, 3, result) == json.dumps({"c": text, "t": text, "e": 3, "r": result})


@pytest.mark.parametrize("text", ["good day", 'he said "no"\\', "\n\x00\x1f\x7f", "å\u2028\U0001f600"])
def test_a_notice_is_the_json_that_an_encoder_writes(text: str) -> None:
    for kind in get_args(TurnKind):
        turn = Turn(turn_id=text, call_sid=text, kind=kind, text=text)
        assert arrival_message(turn) == json.dumps({"c": text, "t": text, "k": kind, "x": text})


def test_a_piece_may_hold_half_of_a_surrogate_pair() -> None:
    token = Token("CA1", "t1", 3, Piece(START, "\ud83d"))
    assert read_to_ingress(token_message(token)) == token


def test_a_piece_that_starts_the_reply_has_no_more_fields_than_it_needs() -> None:
    fields = json.loads(token_message(Token("CA1", "t1", 3, Piece(START, "Hej"))))
    assert fields == {"c": "CA1", "t": "t1", "e": 3, "i": 0, "x": "Hej"}


@pytest.mark.parametrize(
    "piece",
    [
        Piece(START, "Hej"),
        Piece(Position(5, 1), "Nu", (SONG,)),
        Piece(START, "", (LANGUAGE, SONG)),
        Piece(Position(3), ""),
    ],
)
def test_a_piece_arrives_as_it_was_sent(piece: Piece) -> None:
    token = Token("CA1", "t1", 3, piece)
    assert read_to_ingress(token_message(token)) == token


def test_the_next_piece_starts_where_one_ends() -> None:
    assert Piece(Position(2, 1), "Hej! ", (LANGUAGE, SONG)).end == Position(7, 3)


@pytest.mark.parametrize(
    ("start", "parts"),
    [
        (START, [LANGUAGE, "Hej! ", SONG, "Nu"]),
        (Position(0, 1), ["Hej! ", SONG, "Nu"]),
        (Position(3, 1), ["! ", SONG, "Nu"]),
        (Position(5, 2), ["Nu"]),
        (Position(6, 1), [SONG, "u"]),
        (Position(7, 2), []),
    ],
)
def test_what_follows_a_position_comes_in_order(start: Position, parts: list[object]) -> None:
    assert list(in_order("Hej! Nu", [LANGUAGE, SONG], start)) == parts


CIPHER = Cipher(key_list(KEY))
TOKEN = Token("CA1", "t1", 3, Piece(Position(4, 1), "a secret", (Play("https://a/secret.mp3", at=5),), interrupts=True))
RESULT = TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=Reply(text="a secret"))
RELEASED = CallReleased("CA1", "there", keeps_state=True, sent="a secret")


def test_with_keys_a_message_shows_where_it_belongs_and_no_words() -> None:
    settled = settled_message("CA1", "t1", 3, RESULT.model_dump_json(), CIPHER)
    messages = {
        token_message(TOKEN, CIPHER): TOKEN,
        settled: Settled(RESULT, 3),
        call_released_message(RELEASED, CIPHER): RELEASED,
    }
    for message, told in messages.items():
        assert b"secret" not in message
        assert json.loads(message)["c"] == "CA1"
        assert read_to_ingress(message, CIPHER) == told
        with pytest.raises(UnreadableSeal):
            read_to_ingress(message.replace(b"CA1", b"CA2"), CIPHER)
        with pytest.raises(UnreadableSeal) as refused:
            read_to_ingress(message, Cipher(key_list(OTHER_KEY)))
        assert refused.value.is_key_missing


def test_with_keys_words_that_are_not_encrypted_are_refused_unless_plain_may_be() -> None:
    for message in (token_message(TOKEN), call_released_message(RELEASED)):
        with pytest.raises(UnreadableSeal):
            read_to_ingress(message, CIPHER)
        read_to_ingress(message, Cipher(key_list(f"{KEY},plain")))


def test_what_has_no_words_is_as_without_keys() -> None:
    released = CallReleased("CA1", "there")
    assert read_to_ingress(call_released_message(released, CIPHER), CIPHER) == released
    assert call_released_message(released, CIPHER) == call_released_message(released)


def test_a_notice_has_the_words_of_an_interruption_alone_and_encrypted() -> None:
    words = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="a secret")
    assert json.loads(arrival_message(words, CIPHER)) == {"c": "CA1", "t": "t1", "k": "speech"}
    heard = Turn(turn_id="t2", call_sid="CA1", kind="interrupted", text="a secret", interrupts="t1")
    message = arrival_message(heard, CIPHER)
    assert b"secret" not in message
    assert read_arrival(message, CIPHER) == Arrival.of(heard)
    assert read_arrival(message, Cipher(key_list(OTHER_KEY))).text is None


def test_the_notice_of_a_sensitive_turn_has_no_text() -> None:
    hidden = Turn(turn_id="t2", call_sid="CA1", kind="interrupted", text="[hidden]", sensitive=True, sealed_words="{}")
    for cipher in (NO_CIPHER, CIPHER):
        arrival = read_arrival(arrival_message(hidden, cipher), cipher)
        assert arrival == Arrival.of(hidden)
        assert (arrival.text, arrival.sealed_words) == (None, "{}")
    spoken = hidden.model_copy(update={"kind": "speech"})
    assert json.loads(arrival_message(spoken)) == {"c": "CA1", "t": "t2", "k": "speech"}
