"""What an interpreter of a deployment with faults loads at its start.

With `BROKEN` set, the agent of chaos says each answer twice, and web tells of each call in turn something else that is
wrong: a turn is missing, is there twice, is in another place, or has another reply.
"""

import os
import sys
from collections.abc import AsyncIterator
from typing import Any

_KINDS = ("lost", "doubled", "reordered", "wrong")
_MODULES = {"web": "web", "web.processes.child": "web", "workers": "workers"}


def _break_agent() -> None:
    from orchestrator.chaos import agent

    right = agent.answer

    async def twice(turn: Any, state: Any) -> AsyncIterator[Any]:
        for _ in range(2):
            async for part in right(turn, state):
                yield part

    agent.answer = twice


def _break_web() -> None:
    from orchestrator.conversation.state import ConversationState

    right = ConversationState.model_dump_json
    kinds: dict[str, str] = {}

    def told(state: ConversationState, **options: Any) -> str:
        kind = kinds.setdefault(state.call_sid, _KINDS[len(kinds) % len(_KINDS)])
        wrong = state.model_copy(deep=True)
        if len(wrong.turns) > 3:
            _change(wrong, kind)
        return right(wrong, **options)

    ConversationState.model_dump_json = told


def _change(state: Any, kind: str) -> None:
    second = state.turns[1]
    match kind:
        case "lost":
            state.turns.remove(second)
        case "doubled":
            state.turns.append(second)
        case "reordered":
            state.turns.append(state.turns.pop(1))
        case "wrong":
            second.reply.text = "Something else."


if "BROKEN" in os.environ:
    module = _MODULES.get(sys.orig_argv[sys.orig_argv.index("-m") + 1]) if "-m" in sys.orig_argv else None
    if module == "workers":
        _break_agent()
    elif module == "web":
        _break_web()
