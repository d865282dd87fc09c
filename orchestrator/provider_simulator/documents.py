"""The documents of one call: each is asked for at an address that the one before names."""

import asyncio
from collections.abc import Mapping

from orchestrator.provider_simulator.bad_twiml import BadTwiml
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.retries import RetryPolicy
from orchestrator.provider_simulator.speakers import agent_after, with_speakers
from orchestrator.provider_simulator.twiml import parse
from orchestrator.provider_simulator.verbs import Method, Verb
from orchestrator.provider_simulator.webhooks import OnRetry, Webhook, Webhooks
from orchestrator.tasks import cancel_and_wait

MAX_DOCUMENTS_WITHOUT_ANSWER = 100
"""More documents in a row, with no question between them, are a loop."""


class Documents:
    """Fetches the documents of the call `identity`. `retry` applies once the server has answered, `begin` before."""

    def __init__(
        self, webhooks: Webhooks, identity: CallIdentity, retry: RetryPolicy, begin: RetryPolicy, on_retry: OnRetry
    ) -> None:
        self._webhooks = webhooks
        self._identity = identity
        self._retry = retry
        self._begin = begin
        self._on_retry = on_retry
        self._unanswered = 0
        self._agent = ""
        self._requests: set[asyncio.Task[bytes]] = set()
        self.webhook = Webhook(webhooks.url_of("/twilio/voice"), {})
        """The last request: relative addresses start at it."""
        self.connected = False
        """True if the server has answered at all."""

    async def fetch(self, reference: str | None, extra: Mapping[str, str], method: Method) -> list[Verb]:
        """Return the document at `reference`, which may have no verbs. Raise `WebhookFailed` or `BadTwiml`.

        A request under way is not taken back when the caller of this method is cancelled: nobody reads its answer.
        """
        self._unanswered += 1
        if self._unanswered > MAX_DOCUMENTS_WITHOUT_ANSWER:
            raise BadTwiml(f"{MAX_DOCUMENTS_WITHOUT_ANSWER} documents in a row asked nothing: that is a loop.")
        form = self._identity.fields("in-progress" if self.connected else "ringing", extra)
        self.webhook = self.webhook.at(reference, form, method)
        retry = self._retry if self.connected else self._begin
        request = asyncio.create_task(self._webhooks.fetch(self.webhook, retry, self._on_retry), name="webhook")
        self._requests.add(request)
        request.add_done_callback(self._forget)
        document = await asyncio.shield(request)
        self.connected = True
        return self.read(document)

    def read(self, document: str | bytes) -> list[Verb]:
        """Return the verbs of a document, each `<Say>` with who speaks. Raise `BadTwiml`."""
        verbs = parse(document)
        before, self._agent = self._agent, agent_after(verbs) or self._agent
        return with_speakers(verbs, before, self._agent)

    def note_answer(self) -> None:
        """Note that the caller was asked something, or was heard: what follows is no loop."""
        self._unanswered = 0

    async def close(self) -> None:
        """Break off the requests under way."""
        await cancel_and_wait(*self._requests)

    def _forget(self, request: "asyncio.Task[bytes]") -> None:
        self._requests.discard(request)
        if not request.cancelled():
            request.exception()  # read, so that asyncio does not report what nobody waited for
