"""What an agent is: the program that turns (turn, state) into a reply.

An agent is an async generator function of `(turn, state)`, or an object with such a method named `reply`. It yields
text, which is spoken as it comes, and actions (`HangUp()`, `Transfer("+1555…")`, …). It may change `state.slots` and
`state.phase`; the changes are saved together with the turn. `state.turns[i].heard_text` is what the caller heard of an
earlier reply.

The function or object may also have these attributes:

- `overlap`: what happens to a turn that arrives while another one runs: `enqueue` (the default on `<Gather>`),
  `interrupt` (the default on a relay), `merge` (join them while nothing was said yet) or `reject`;
- `interruptions`: True to run the agent for turns of kind `interrupted` too. By default it is not run: the caller's
  words follow as a turn of their own, and the state says what they heard;
- `isolation`: `"thread"` (the default for your agents: in an event loop of their own, so that one that blocks holds up
  no other call), `"inline"` (in the worker's event loop: a little faster, for code that never blocks) or `"process"`
  (one turn at a time in a process: for code that may crash, fill the memory, or hold the interpreter's lock);
- `speech_filter`: False to have the text said as it is. By default the filter leaves out what models write and nobody
  can say: thoughts, Markdown, special tokens, emoji, tool calls written as text.
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
Placement = Literal["configured", "shared", "alone"]
"""Where a turn runs: as the agent's isolation says; in the process that suspected turns share; in a process alone."""


@dataclass(frozen=True)
class Agent:
    """An agent as the rest of the program sees it, whether it was written as a function, an object or a class."""

    name: str
    reply: AgentFunction
    overlap: Overlap | None = None
    isolation: Isolation = "thread"
    interruptions: bool = False
    speech_filter: bool = True
    thoughts: UntaggedThoughts = field(default_factory=UntaggedThoughts, compare=False, repr=False)
