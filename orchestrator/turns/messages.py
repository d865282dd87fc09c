"""The messages between workers and ingresses over pub/sub. They are hints: what is lost is found in the store.

A message is one JSON object.

- To an ingress from a worker: `{"c": call_sid, "t": turn_id, "e": epoch}` with either a piece of the reply, `"i"`
  (index of the first character), `"x"` (text) and, if there are any, `"n"` (how many inline actions came before) and
  `"d"` (inline actions), and `"b": true` if it cuts off what is being said; or `"r"` (the `TurnResult` as JSON text).
- To an ingress from another one: `{"c"}` with `"o"` (the channel of the one that has taken the call over) or `"g"` (of
  the one that has released it, and, if it could not write it back yet, `"k": true`; with `"s"`, what it had sent).
- To an ingress from another one: `{"c"}` with `"q"` (the channel of the one that asks whether the call has a socket
  there that answers) or `"w"` (of the one that replies) and `"a"` (whether it has).
- To a worker: `{"c", "t", "k": kind}`: a turn has come while you hold the call; of an interruption also `"x"`, what was
  heard, and `"a"`, the turn it is about; of a signal that interrupts, `"b": true`.

Unknown fields are ignored.
"""

import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter

from orchestrator.conversation.actions import InlineAction
from orchestrator.conversation.reply import Position, TurnResult
from orchestrator.conversation.turn import Turn


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a reply: the `text` that follows `start`, and its inline `actions`, each of which has its `at`.

    `interrupts`: the reply cuts off what is being said.
    """

    start: Position
    text: str
    actions: tuple[InlineAction, ...] = ()
    interrupts: bool = False

    @property
    def end(self) -> Position:
        """Where the next piece starts."""
        return Position(self.start.characters + len(self.text), self.start.actions + len(self.actions))


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the reply to a turn, from the run with this epoch."""

    call_sid: str
    turn_id: str
    epoch: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class Settled:
    """A turn has its result."""

    result: TurnResult
    epoch: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A turn has come for a call that the worker holds.

    `text` is what an `interrupted` caller had heard, `interrupts` the turn that was being answered ("": not known).
    `is_interrupting`: it is an own turn that cuts off what is being said.
    """

    call_sid: str
    turn_id: str
    kind: str
    text: str
    interrupts: str = ""
    is_interrupting: bool = False

    @classmethod
    def of(cls, turn: Turn) -> "Arrival":
        """Return the arrival of `turn`."""
        return cls(turn.call_sid, turn.turn_id, turn.kind, turn.text, turn.interrupts or "", turn.interrupt)


@dataclass(frozen=True, slots=True)
class CallTakenOver:
    """The ingress that listens on `channel` takes the call over, and waits for this one to release it."""

    call_sid: str
    channel: str


@dataclass(frozen=True, slots=True)
class CallReleased:
    """The ingress that listens on `channel` has released the call: its socket is closed.

    It `keeps_state` if turns ran in its memory and are not written back yet. `sent` is what it had sent to the caller.
    """

    call_sid: str
    channel: str
    keeps_state: bool = False
    sent: str = ""


@dataclass(frozen=True, slots=True)
class SocketQuestion:
    """The ingress that listens on `channel` asks whether the call has a socket here that answers."""

    call_sid: str
    channel: str


@dataclass(frozen=True, slots=True)
class SocketAnswer:
    """The ingress that listens on `channel` says whether it has a socket of the call that answers."""

    call_sid: str
    channel: str
    is_answering: bool


_INLINE_ACTION: TypeAdapter[InlineAction] = TypeAdapter(Annotated[InlineAction, Field(discriminator="type")])

ToIngress = Token | Settled | CallTakenOver | CallReleased | SocketQuestion | SocketAnswer


def token_message(token: Token) -> str:
    """Return the message that carries `token`."""
    piece = token.piece
    fields: dict[str, object] = {"i": piece.start.characters, "x": piece.text}
    if piece.start.actions:
        fields["n"] = piece.start.actions
    if piece.actions:
        fields["d"] = [action.model_dump(mode="json") for action in piece.actions]
    if piece.interrupts:
        fields["b"] = True
    return json.dumps({"c": token.call_sid, "t": token.turn_id, "e": token.epoch, **fields})


def settled_message(call_sid: str, turn_id: str, epoch: int, result_json: str) -> str:
    """Return the message that carries a result."""
    return json.dumps({"c": call_sid, "t": turn_id, "e": epoch, "r": result_json})


def call_taken_over_message(call_sid: str, channel: str) -> str:
    """Return the message that tells an ingress that another one takes a call over."""
    return json.dumps({"c": call_sid, "o": channel})


def call_released_message(released: CallReleased) -> str:
    """The answer to it."""
    more: dict[str, str | bool] = {"k": True} if released.keeps_state else {}
    if released.sent:
        more["s"] = released.sent
    return json.dumps({"c": released.call_sid, "g": released.channel, **more})


def socket_question_message(call_sid: str, channel: str) -> str:
    """Return the message by which the ingress that listens on `channel` asks."""
    return json.dumps({"c": call_sid, "q": channel})


def socket_answer_message(answer: SocketAnswer) -> str:
    """The answer to it."""
    return json.dumps({"c": answer.call_sid, "w": answer.channel, "a": answer.is_answering})


def arrival_message(turn: Turn) -> str:
    """Return the message to the worker that holds the call of `turn`."""
    about: dict[str, str | bool] = {"a": turn.interrupts} if turn.interrupts else {}
    if turn.interrupt:
        about["b"] = True
    return json.dumps({"c": turn.call_sid, "t": turn.turn_id, "k": turn.kind, "x": turn.text, **about})


def read_to_ingress(message: bytes | str) -> ToIngress:
    """Decode a message to an ingress. Raise ValueError or KeyError on anything else."""
    fields = json.loads(message)
    if "i" in fields:  # first, as most messages are pieces
        start = Position(int(fields["i"]), int(fields.get("n", 0)))
        actions = tuple(map(_INLINE_ACTION.validate_python, fields["d"])) if "d" in fields else ()
        return Token(
            fields["c"], fields["t"], int(fields["e"]), Piece(start, fields["x"], actions, bool(fields.get("b")))
        )
    if "r" in fields:
        return Settled(TurnResult.model_validate_json(fields["r"]), int(fields["e"]))
    if "o" in fields:
        return CallTakenOver(fields["c"], fields["o"])
    if "g" in fields:
        return CallReleased(fields["c"], fields["g"], bool(fields.get("k")), fields.get("s", ""))
    if "q" in fields:
        return SocketQuestion(fields["c"], fields["q"])
    return SocketAnswer(fields["c"], fields["w"], bool(fields.get("a")))


def read_arrival(message: bytes | str) -> Arrival:
    """Decode a message to a worker. Raise ValueError or KeyError on anything else."""
    fields = json.loads(message)
    return Arrival(
        fields["c"], fields["t"], fields["k"], fields.get("x", ""), fields.get("a", ""), bool(fields.get("b"))
    )
