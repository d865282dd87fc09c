"""The languages of a call, carried in the query of the next action, so that any ingress knows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from orchestrator.conversation.actions import SetLanguage

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")


@dataclass(frozen=True)
class Languages:
    """What is spoken and what is understood (BCP 47); None means the provider's default."""

    speech: str | None = None
    recognition: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Languages":
        """The languages that an earlier answer put into the URL."""
        return cls(_tag(query.get("speech")), _tag(query.get("recognition")))

    def changed_by(self, action: SetLanguage) -> "Languages":
        """The languages from here on."""
        return Languages(_tag(action.speech) or self.speech, _tag(action.recognition) or self.recognition)

    def turn_path(self, number: int) -> str:
        """Where the provider posts the turn with this number."""
        return self._path(f"/twilio/turn/{number}")

    def wait_path(self, number: int, **query: Any) -> str:
        """Where the provider waits for the answer to that turn."""
        return self._path(f"/twilio/turn/{number}/wait", **query)

    def _path(self, path: str, **query: Any) -> str:
        fields = {**query, "speech": self.speech, "recognition": self.recognition}
        text = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"{path}?{text}" if text else path


def _tag(text: str | None) -> str | None:
    return text if text and _TAG.fullmatch(text) else None
