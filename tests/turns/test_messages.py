"""What a piece of a reply is on the wire: old and new processes read each other's pieces."""

import json

import pytest

from orchestrator.conversation.actions import Play, SetLanguage
from orchestrator.conversation.reply import START, Position, in_order
from orchestrator.turns.messages import Piece, Token, read_to_ingress, token_message

LANGUAGE = SetLanguage(speech="sv-SE", at=0)
SONG = Play("https://example.com/a.mp3", at=5)


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
