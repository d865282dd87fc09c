"""An agent that connects and records callers, and what its tests read of documents."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from orchestrator.agents.protocol import AgentFunction
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

PERSON, OTHER, CALLER, OURS = "+15557654321", "+15557654322", "+15558675310", "+15551234567"


def leaving_by(action: Any) -> AgentFunction:
    """An agent that greets, lets the caller leave by `action` when they speak, and tells with what they are back."""

    async def agent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        if turn.kind == "started":
            yield "Hello!"
        elif turn.kind == "transferred":
            yield f"Back: {turn.text}, {turn.data['to']}, {turn.data['seconds']}."
        elif turn.kind == "recorded":
            yield f"Recorded: {turn.data['url'].rpartition('/')[2] or 'nothing'}, {turn.data['seconds']}."
        elif turn.text == "again":
            yield "Still here."
        elif turn.kind != "ended":
            yield "One moment."
            yield action

    return agent


def verb(document: ElementTree.Element, path: str) -> ElementTree.Element:
    """The element at `path`, which must be there."""
    found = document.find(path)
    assert found is not None, ElementTree.tostring(document, encoding="unicode")
    return found


def action_of(document: ElementTree.Element, path: str = "Dial") -> str:
    """The action of a verb."""
    return verb(document, path).attrib["action"]


def query_of(url: str) -> dict[str, str]:
    """The query of a URL."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
