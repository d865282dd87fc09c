"""What workers and ingresses tell each other over pub/sub. Hints: what is lost is found in the store.

A message is one JSON object. To an ingress: `{"c": call_sid, "t": turn_id, "e": epoch}` with either `"i"` (index of
the first character) and `"x"` (text), or `"r"` (the `TurnResult` as JSON text). To a worker: `{"c", "t", "k": kind}`: a
turn has come while you hold the call; of an interruption also `"x"`, what was heard, and `"a"`, the turn it is about.
Unknown fields are ignored.
"""

import json
from dataclasses import dataclass

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a reply. `index` is where in the reply's text it begins, in characters."""

    call_sid: str
    turn_id: str
    epoch: int
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A turn has its result."""

    result: TurnResult
    epoch: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A turn has come for a call that the worker holds.

    `text` is what an `interrupted` caller had heard, `interrupts` the turn that was being answered ("": not known).
    """

    call_sid: str
    turn_id: str
    kind: str
    text: str
    interrupts: str = ""


def token_message(token: Token) -> str:
    """`token` as it travels."""
    return json.dumps({"c": token.call_sid, "t": token.turn_id, "e": token.epoch, "i": token.index, "x": token.text})


def settled_message(call_sid: str, turn_id: str, epoch: int, result_json: str) -> str:
    """A result as it travels."""
    return json.dumps({"c": call_sid, "t": turn_id, "e": epoch, "r": result_json})


def arrival_message(turn: Turn) -> str:
    """The notice to the worker that holds the call of `turn`."""
    about = {"a": turn.interrupts} if turn.interrupts else {}
    return json.dumps({"c": turn.call_sid, "t": turn.turn_id, "k": turn.kind, "x": turn.text, **about})


def read_reply(message: bytes | str) -> Token | Settled:
    """A message to an ingress. Raises ValueError or KeyError on anything else."""
    fields = json.loads(message)
    if "r" in fields:
        return Settled(TurnResult.model_validate_json(fields["r"]), int(fields["e"]))
    return Token(fields["c"], fields["t"], int(fields["e"]), int(fields["i"]), fields["x"])


def read_arrival(message: bytes | str) -> Arrival:
    """A message to a worker. Raises ValueError or KeyError on anything else."""
    fields = json.loads(message)
    return Arrival(fields["c"], fields["t"], fields["k"], fields.get("x", ""), fields.get("a", ""))
