"""The languages of a call and who has it, in the query of the next action's URL, so that any ingress knows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from orchestrator.conversation.actions import HandOff, SetLanguage

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
LONGEST_AGENT = 100


@dataclass(frozen=True)
class Languages:
    """The languages of speech and of recognition (BCP 47 tags); None means the provider's default.

    `agent` is the name, in the routes, of the agent that has the call; None is the one that `AGENT` names.
    """

    speech: str | None = None
    recognition: str | None = None
    agent: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Languages":
        """Return the languages that an earlier answer put into the URL."""
        return cls(_tag(query.get("speech")), _tag(query.get("recognition")), _name(query.get("agent")))

    def changed_by(self, action: SetLanguage | HandOff) -> "Languages":
        """Return what holds after `action`."""
        if isinstance(action, HandOff):
            return self.of_agent(action.agent)
        speech, recognition = _tag(action.speech) or self.speech, _tag(action.recognition) or self.recognition
        return replace(self, speech=speech, recognition=recognition)

    def of_agent(self, name: str) -> "Languages":
        """Return these languages for a call that the agent of this name has."""
        return replace(self, agent=_name(name))

    def turn_path(self, number: int) -> str:
        """Return the path to which the provider posts the turn with this number."""
        return self._path(f"/twilio/turn/{number}")

    def wait_path(self, number: int, **query: Any) -> str:
        """Return the path at which the provider waits for the reply to that turn."""
        return self._path(f"/twilio/turn/{number}/wait", **query)

    def _path(self, path: str, **query: Any) -> str:
        fields = {**query, "speech": self.speech, "recognition": self.recognition, "agent": self.agent}
        text = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"{path}?{text}" if text else path


def _tag(text: str | None) -> str | None:
    return text if text and _TAG.fullmatch(text) else None


def _name(text: str | None) -> str | None:
    return text if text and len(text) <= LONGEST_AGENT and text.isprintable() else None
