"""Plays one call as the provider does, until it is over or the REST API replaces what it does."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from orchestrator.provider_simulator.bad_twiml import BadTwiml
from orchestrator.provider_simulator.documents import Documents
from orchestrator.provider_simulator.events import Event, Problem, Said, Waiting
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import AnswerListener
from orchestrator.provider_simulator.relay import RelaySession
from orchestrator.provider_simulator.rest_api.calls import CallUpdate
from orchestrator.provider_simulator.verb_player import Over, ProviderQuirks, VerbPlayer
from orchestrator.provider_simulator.verbs import Method
from orchestrator.provider_simulator.webhooks import Webhook, WebhookFailed, Webhooks
from orchestrator.tasks import cancel_and_wait

APOLOGY = "We are sorry, an application error has occurred. Goodbye."


class Player:
    """Plays one call. `tell` receives each event and returns when the caller has handled it."""

    def __init__(
        self,
        webhooks: Webhooks,
        identity: CallIdentity,
        listener: AnswerListener,
        quirks: ProviderQuirks,
        tell: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._tell = tell
        self._call_sid = identity.call_sid
        self._documents = Documents(webhooks, identity, quirks.retry, quirks.begin, self._say_that_it_waits)
        self._verbs = VerbPlayer(webhooks, identity, listener, quirks, self._documents, tell)
        self._update: CallUpdate | None = None
        self._has_update = asyncio.Event()

    @property
    def connected(self) -> bool:
        """True if the server has answered at all."""
        return self._documents.connected

    @property
    def relay(self) -> RelaySession | None:
        """The relay session that is open now."""
        return self._verbs.relay

    async def farewell(self, last_words: str) -> Webhook | None:
        """Return the callback for what the caller ends by hanging up: a relay session, or a message of `last_words`."""
        return await self._verbs.farewell(last_words)

    async def play(self) -> Over:
        """Play the call until the agent ends it."""
        try:
            work = self._from_address(None, "POST")
            while (update := await self._play_until_update(work)) is not None:
                work = self._updated(update)
        except Over as over:
            return over
        except (WebhookFailed, BadTwiml) as problem:
            return await self._fail(problem)
        finally:
            await self._documents.close()
        return Over("agent")

    def update(self, update: CallUpdate) -> None:
        """Replace what the call does by what the REST API was asked for."""
        self._update = update
        self._has_update.set()

    async def _play_until_update(self, work: Coroutine[Any, Any, None]) -> CallUpdate | None:
        """Do the work. Return the update that came before its end, or None."""
        playing = asyncio.create_task(work, name=f"document of {self._call_sid}")
        updating = asyncio.create_task(self._has_update.wait(), name=f"update of {self._call_sid}")
        try:
            await asyncio.wait({playing, updating}, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                playing.result()
                return None
        finally:
            await cancel_and_wait(playing, updating)
        self._has_update.clear()
        self._verbs.break_off()
        return self._update

    async def _updated(self, update: CallUpdate) -> None:
        if update.hangs_up:
            raise Over("agent")
        self._documents.note_answer()
        if update.url:
            await self._from_address(update.url, update.method)
        else:
            await self._verbs.perform_all(self._documents.read(update.twiml))

    async def _from_address(self, reference: str | None, method: Method) -> None:
        await self._verbs.perform_all(await self._verbs.fetch(reference, {}, method))

    async def _fail(self, problem: WebhookFailed | BadTwiml) -> Over:
        unreachable = isinstance(problem, WebhookFailed) and problem.kind == "ct"
        await self._tell(Problem(str(problem), unreachable=unreachable))
        if self.connected or not unreachable:
            await self._tell(Said(APOLOGY))
        return Over("problem", "completed" if self.connected else "failed")

    async def _say_that_it_waits(self, reason: str) -> None:
        await self._tell(Waiting(reason))
