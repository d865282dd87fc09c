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

A piece of a reply that may repeat what a sensitive turn brought has `"x": ""` and its words, encrypted, in `"z"`.

Unknown fields are ignored.

With encryption keys `x`, `d`, `r` and `s` are not there: they are encrypted in the field `sealed`, bound to the call,
and `r` is true instead. A message to a worker has `x` of an interruption alone; of a sensitive one it has `h`, which
are its words as the turn has them, sealed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _text
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic_core import from_json

from orchestrator.conversation.actions import InlineAction
from orchestrator.conversation.reply import Position, TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a reply: the `text` that follows `start`, and its inline `actions`, each of which has its `at`.

    `interrupts`: the reply cuts off what is being said. One that may repeat what a sensitive turn brought has its text
    and actions in `sealed_words` alone, encrypted (`orchestrator.turns.sealed_pieces`).
    """

    start: Position
    text: str
    actions: tuple[InlineAction, ...] = ()
    interrupts: bool = False
    sealed_words: str = ""

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

    `text` is what an `interrupted` caller had heard, None if that is not known here: of a sensitive turn it is in
    `sealed_words`. `interrupts` is the turn that was being answered ("": not known). `is_interrupting`: it is an own
    turn that cuts off what is being said.
    """

    call_sid: str
    turn_id: str
    kind: str
    text: str | None
    interrupts: str = ""
    is_interrupting: bool = False
    sealed_words: str = ""

    @classmethod
    def of(cls, turn: Turn) -> "Arrival":
        """Return the arrival of `turn`."""
        text, sealed_words = (None, turn.sealed_words) if turn.sensitive else (turn.text, "")
        return cls(turn.call_sid, turn.turn_id, turn.kind, text, turn.interrupts or "", turn.interrupt, sealed_words)


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
Message = bytes | str


def token_message(token: Token, cipher: Cipher = NO_CIPHER) -> Message:
    """Return the message that carries `token`."""
    piece = token.piece
    clear: dict[str, object] = {
        "c": token.call_sid, "t": token.turn_id, "e": token.epoch, "i": piece.start.characters,
    }  # fmt: skip
    words: dict[str, object] = {"x": piece.text}
    if piece.start.actions:
        clear["n"] = piece.start.actions
    if piece.actions:
        words["d"] = [action.model_dump(mode="json") for action in piece.actions]
    if piece.interrupts:
        clear["b"] = True
    if piece.sealed_words:
        words["z"] = piece.sealed_words
    return _message(cipher, "piece", clear, words)


def settled_message(call_sid: str, turn_id: str, epoch: int, result_json: str, cipher: Cipher = NO_CIPHER) -> Message:
    """Return the message that carries a result."""
    if not cipher.encrypts:  # by hand: an encoder takes three times as long, for the most frequent of all messages
        return f'{{"c": {_text(call_sid)}, "t": {_text(turn_id)}, "e": {epoch}, "r": {_text(result_json)}}}'
    clear: dict[str, object] = {"c": call_sid, "t": turn_id, "e": epoch}
    return cipher.seal(_place(call_sid, "result"), result_json.encode(), {**clear, "r": True})


def call_taken_over_message(call_sid: str, channel: str) -> str:
    """Return the message that tells an ingress that another one takes a call over."""
    return json.dumps({"c": call_sid, "o": channel})


def call_released_message(released: CallReleased, cipher: Cipher = NO_CIPHER) -> Message:
    """The answer to it."""
    clear: dict[str, object] = {"c": released.call_sid, "g": released.channel}
    if released.keeps_state:
        clear["k"] = True
    return _message(cipher, "sent", clear, {"s": released.sent} if released.sent else {})


def socket_question_message(call_sid: str, channel: str) -> str:
    """Return the message by which the ingress that listens on `channel` asks."""
    return json.dumps({"c": call_sid, "q": channel})


def socket_answer_message(answer: SocketAnswer) -> str:
    """The answer to it."""
    return json.dumps({"c": answer.call_sid, "w": answer.channel, "a": answer.is_answering})


def arrival_message(turn: Turn, cipher: Cipher = NO_CIPHER) -> Message:
    """Return the message to the worker that holds the call of `turn`."""
    is_plain = not (turn.interrupts or turn.interrupt or turn.sensitive or cipher.encrypts)
    if is_plain:  # by hand, as nearly all: an encoder takes five times as long
        call, of, kind, text = map(_text, (turn.call_sid, turn.turn_id, turn.kind, turn.text))
        return f'{{"c": {call}, "t": {of}, "k": {kind}, "x": {text}}}'
    clear: dict[str, object] = {"c": turn.call_sid, "t": turn.turn_id, "k": turn.kind}
    if turn.interrupts:
        clear["a"] = turn.interrupts
    if turn.interrupt:
        clear["b"] = True
    is_told = turn.kind == "interrupted"  # of other turns nobody need know the words before their claim
    if turn.sensitive:
        return json.dumps({**clear, "h": turn.sealed_words} if is_told else clear)
    return _message(cipher, "notice", clear, {"x": turn.text} if is_told or not cipher.encrypts else {})


def read_to_ingress(message: Message, cipher: Cipher = NO_CIPHER) -> ToIngress:
    """Decode a message to an ingress. Raise ValueError or KeyError on anything else, and `UnreadableSeal`."""
    fields = _read(message)
    if "i" in fields:  # first, as most messages are pieces
        words = _words(cipher, "piece", fields, message)
        start = Position(int(fields["i"]), int(fields.get("n", 0)))
        actions = tuple(map(_INLINE_ACTION.validate_python, words["d"])) if "d" in words else ()
        piece = Piece(start, words["x"], actions, bool(fields.get("b")), words.get("z", ""))
        return Token(fields["c"], fields["t"], int(fields["e"]), piece)
    if "r" in fields:
        text = _opened(cipher, "result", fields, message)
        return Settled(TurnResult.model_validate_json(fields["r"] if text is None else text), int(fields["e"]))
    if "o" in fields:
        return CallTakenOver(fields["c"], fields["o"])
    if "g" in fields:
        words = _words(cipher, "sent", fields, message) if "s" in fields or "sealed" in fields else {}
        return CallReleased(fields["c"], fields["g"], bool(fields.get("k")), words.get("s", ""))
    if "q" in fields:
        return SocketQuestion(fields["c"], fields["q"])
    return SocketAnswer(fields["c"], fields["w"], bool(fields.get("a")))


def _read(message: Message) -> Any:
    """Return what `json.loads` returns, four times as quickly for what it reads alike."""
    try:
        return from_json(message)
    except ValueError:  # such as half of a surrogate pair, which an agent may have said
        return json.loads(message)


def read_arrival(message: Message, cipher: Cipher = NO_CIPHER) -> Arrival:
    """Decode a message to a worker. Raise ValueError or KeyError on anything else."""
    fields = json.loads(message)
    text = None
    if "x" in fields or "sealed" in fields:
        try:
            text = _words(cipher, "notice", fields, message)["x"]
        except UnreadableSeal:  # the turn has come all the same
            text = None
    return Arrival(
        fields["c"], fields["t"], fields["k"], text, fields.get("a", ""), bool(fields.get("b")), fields.get("h", "")
    )


def _message(cipher: Cipher, what: str, clear: dict[str, object], words: dict[str, object]) -> Message:
    if not words or not cipher.encrypts:
        return json.dumps({**clear, **words})
    return cipher.seal(_place(str(clear["c"]), what), json.dumps(words).encode(), clear)


def _words(cipher: Cipher, what: str, fields: Mapping[str, Any], message: Message) -> Mapping[str, Any]:
    """Return the fields that may be encrypted."""
    opened = _opened(cipher, what, fields, message)
    if opened is None:
        return fields
    words: Mapping[str, Any] = json.loads(opened)
    return words


def _opened(cipher: Cipher, what: str, fields: Mapping[str, Any], message: Message) -> bytes | None:
    """Return what is encrypted in the message; None if nothing is. Raise `UnreadableSeal`."""
    stored = message.encode() if isinstance(message, str) else message
    opened = cipher.open(_place(fields["c"], what), stored)
    return None if opened is stored else opened


def _place(call_sid: str, what: str) -> str:
    """Return what a message is bound to: not to its channel, as one may go to several."""
    return f"{keys.state(call_sid)}/{what}"
