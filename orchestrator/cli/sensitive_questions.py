"""Whether a question over a relay is sensitive. The provider is not told, so the server's API is asked."""

import asyncio
from urllib.parse import quote

from pydantic import ValidationError

from orchestrator.cli.api_client import ApiClient, ServerRefused
from orchestrator.conversation.sensitive import awaits_sensitive
from orchestrator.conversation.state import ConversationState
from orchestrator.settings import Settings

ASK_SECONDS = 2.0


class SensitiveQuestions:
    """Asks the server at `url`, with the key of the settings. A server that refuses is not asked again."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._api = ApiClient(url, settings, timeout_seconds=ASK_SECONDS)
        self._is_refused = False

    async def awaits(self, call_sid: str) -> bool:
        """True if what the caller says next in this call is known to be sensitive."""
        return not self._is_refused and await asyncio.to_thread(self._read, call_sid)

    def _read(self, call_sid: str) -> bool:
        try:
            answer = self._api.get(f"/calls/{quote(call_sid, safe='')}")
            return awaits_sensitive(ConversationState.model_validate_json(answer.content))
        except (ServerRefused, ValidationError):
            self._is_refused = True
            return False
