"""Whether a question over a relay is sensitive. The provider is not told, so the server's API is asked."""

from pydantic import ValidationError

from orchestrator.cli.server import key_of
from orchestrator.client import Client, ClientError
from orchestrator.conversation.sensitive import awaits_sensitive
from orchestrator.conversation.state import ConversationState
from orchestrator.settings import Settings

ASK_SECONDS = 2.0


class SensitiveQuestions:
    """Asks the server at `url`, with the key of the settings. A server that refuses is not asked again."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._key = key_of(settings)
        self._is_refused = False

    async def awaits(self, call_sid: str) -> bool:
        """True if what the caller says next in this call is known to be sensitive."""
        if self._is_refused:
            return False
        try:
            async with Client(self._url, self._key, timeout_seconds=ASK_SECONDS) as client:
                return awaits_sensitive(ConversationState.model_validate(await client.call(call_sid)))
        except (ClientError, ValidationError):
            self._is_refused = True
            return False
