"""What an agent is: the program that turns (turn, state) into a reply.

An agent is an async generator function of `(turn, state)`, or an object with such a method named `reply`.
It yields text, which is spoken as it comes, and actions (`HangUp()`, `Transfer("+1555…")`, …). It may change
`state.slots` and `state.phase`; the change is saved together with the turn. What the
caller heard of earlier replies is in `state.turns[i].heard_text`.

An object may also carry:

- `overlap`: what happens to a turn that arrives while another one runs: `enqueue` (the default on
  `<Gather>`), `interrupt` (the default on a relay), `merge` (joined while nothing was said yet) or `reject`;
- `interruptions`: True to be asked for a reply to turns of kind `interrupted` too. By default it is not: who
  interrupts goes on speaking, and their words come as a turn of their own; what was heard is in the state;
- `isolation`: `"thread"` (the default for your agents: they run in an event loop of their own, so that one
  that blocks harms no other call), `"inline"` (in the worker's own loop: a little faster; for code that
  never blocks) or `"process"` (one turn at a time in a process of its own: for code that crashes, eats
  memory, or holds the interpreter's lock);
- `speech_filter`: False to have its text said as it is. By default what a model may write and nobody can say is
  left out: thoughts, Markdown, special tokens, emoji, calls of tools written as text.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.agents.spoken_text import UntaggedThoughts
from orchestrator.conversation.actions import Action
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

Part = str | Action
AgentFunction = Callable[[Turn, ConversationState], AsyncIterator[Part]]
Overlap = Literal["enqueue", "interrupt", "merge", "reject"]
Isolation = Literal["inline", "thread", "process"]
Lane = Literal["own", "shared", "alone"]
"""Where a turn is run: as the agent wishes; in the process that suspects share; in one that runs nothing else."""


@dataclass(frozen=True)
class Agent:
    """An agent as the rest of the program sees it, however it was written."""

    name: str
    reply: AgentFunction
    overlap: Overlap | None = None
    isolation: Isolation = "thread"
    interruptions: bool = False
    speech_filter: bool = True
    thoughts: UntaggedThoughts = field(default_factory=UntaggedThoughts, compare=False, repr=False)
