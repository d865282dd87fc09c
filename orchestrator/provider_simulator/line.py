"""A telephone line: one call, from the first webhook to the last status callback."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress

import httpx

from orchestrator.provider_simulator.colleagues import Colleagues
from orchestrator.provider_simulator.events import Asked, Event, HungUp, Problem, Recording
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import KEYS, Answer, AnswerListener
from orchestrator.provider_simulator.playback import HURRIED, PlaybackSpeed
from orchestrator.provider_simulator.player import Player
from orchestrator.provider_simulator.relay_reconnect import RelayReconnect
from orchestrator.provider_simulator.rest_api.calls import CallStatus, CallUpdate
from orchestrator.provider_simulator.retries import PROVIDER_DEFAULT, RetryPolicy
from orchestrator.provider_simulator.verb_player import Over, ProviderQuirks
from orchestrator.provider_simulator.webhooks import Origin, Webhook, WebhookFailed, Webhooks, new_client

STATUS_CALLBACK_SECONDS = 5


class PhoneLine:
    """Calls a server as a caller's provider would. One object makes one call.

    `base_url` is where the server is reached, `public_url` its own `PUBLIC_BASE_URL` (its signatures cover that).
    Without `auth_token` nothing is signed. `retry` applies from the second webhook on, and `begin` to the
    first, since a server that does not answer that one usually is not running, and to the status callback at the end.
    `colleagues` are the people whom a transfer rings, and `relay_reconnect` is how a
    relay's lost socket comes back where the document asks for it. Many lines may share a `client` (see
    `webhooks.new_client`); without one, the line has its own. A line is a `LiveCall`: add it to a `RestApi`, and the
    server can change the call.
    """

    def __init__(
        self,
        base_url: str,
        auth_token: str | None = None,
        *,
        identity: CallIdentity | None = None,
        public_url: str | None = None,
        retry: RetryPolicy = PROVIDER_DEFAULT,
        begin: RetryPolicy = PROVIDER_DEFAULT,
        speed: PlaybackSpeed = HURRIED,
        colleagues: Colleagues | None = None,
        relay_reconnect: RelayReconnect | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self.identity = identity or CallIdentity()
        self._origin = Origin.of(base_url, public_url)
        self._auth_token = auth_token
        self._quirks = ProviderQuirks(
            retry, speed, colleagues or Colleagues(), relay_reconnect or RelayReconnect(), begin
        )
        self._client = client
        self._listener = AnswerListener()
        self._hung_up = asyncio.Event()
        self._last_words = ""
        self._events: asyncio.Queue[tuple[Event, asyncio.Event] | None] = asyncio.Queue()
        self._begun: float | None = None
        self._webhooks: Webhooks | None = None
        self._player: Player | None = None
        self._final: CallStatus | None = None

    @property
    def call_sid(self) -> str:
        """The SID of this call."""
        return self.identity.call_sid

    @property
    def status(self) -> CallStatus:
        """How the call stands at the provider."""
        if self._final is not None:
            return self._final
        return "in-progress" if self._player is not None and self._player.connected else "ringing"

    def update(self, update: CallUpdate) -> None:
        """Replace what the call does, as the REST API was asked to: a waiting question gets no answer any more."""
        if self._player is not None and self._final is None:
            self._player.update(update)

    async def call(self) -> AsyncGenerator[Event, None]:
        """Make the call. It continues once the yielded event was handled; only the time of a question runs while the
        caller thinks.

        Leaving the loop early drops the line without a word: no status callback is sent.
        """
        if self._begun is not None:
            raise RuntimeError("This line has made its call; take a new PhoneLine for the next one.")
        self._begun = asyncio.get_running_loop().time()
        life = asyncio.create_task(self._live(), name=f"call {self.call_sid}")
        try:
            while (item := await self._events.get()) is not None:
                event, dealt_with = item
                yield event
                dealt_with.set()
            await life
        finally:
            life.cancel()
            with suppress(asyncio.CancelledError):
                await life

    def begin_to_speak(self, has_begun: bool = True) -> None:
        """Let no question time out, since the caller has begun to say something; or take that back."""
        self._listener.has_begun = has_begun

    def answer_speech(self, text: str) -> bool:
        """Say something. Return whether a question accepted it. Blank text is silence."""
        return self._listener.accept(Answer(speech=text.strip()))

    def answer_keys(self, keys: str) -> bool:
        """Press keys (0-9, * and #). Return whether a question accepted them."""
        if not keys or not KEYS.issuperset(keys):
            raise ValueError("Keys are 0-9, * and #.")
        return self._listener.accept(Answer(keys=keys))

    def answer_silence(self) -> bool:
        """Let the question's time run out at once. Return whether there was a question."""
        return self._listener.accept(Answer())

    def hang_up(self, last_words: str = "") -> None:
        """End the call as the caller; `HungUp` follows. May be called twice.

        `last_words` are what the caller says first where a message is being recorded.
        """
        self._last_words = last_words
        self._hung_up.set()

    @property
    def is_heard(self) -> bool:
        """True if the caller is listened to now: a question is asked, or a relay session is open."""
        return self._listener.direct is not None or self._listener.is_listening

    async def drop_socket(self) -> None:
        """Lose the relay's socket, as networks do. The provider notices and asks the server how to continue."""
        if self._player is not None and self._player.relay is not None:
            await self._player.relay.drop()

    def move_to(self, base_url: str) -> None:
        """Reach the server there from now on, as if a load balancer had chosen another ingress."""
        if self._webhooks is not None:
            self._webhooks.move_to(base_url)

    async def question_over(self) -> None:
        """Return when no question waits for an answer: it has one, it timed out, or the call has ended."""
        await self._listener.until_over()

    async def _live(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                client = self._client
                if client is None:
                    client = await stack.enter_async_context(new_client())
                webhooks = self._webhooks = Webhooks(client, self._origin, self._auth_token)
                player = self._player = Player(webhooks, self.identity, self._listener, self._quirks, self._tell)
                over = await self._until_over(player)
                self._final = over.status
                if over.by != "problem" or player.connected:  # else nobody waits for a callback
                    await self._report(webhooks, player, over)
                await self._tell(HungUp(over.by, over.status, self._duration()))
        finally:
            self._events.put_nowait(None)

    async def _until_over(self, player: Player) -> Over:
        playing = asyncio.create_task(player.play(), name=f"play {self.call_sid}")
        caller = asyncio.create_task(self._hung_up.wait(), name=f"caller {self.call_sid}")
        try:
            await asyncio.wait({playing, caller}, return_when=asyncio.FIRST_COMPLETED)
            return playing.result() if playing.done() else Over("caller")
        finally:
            playing.cancel()
            caller.cancel()
            await asyncio.gather(playing, caller, return_exceptions=True)

    async def _report(self, webhooks: Webhooks, player: Player, over: Over) -> None:
        form = self.identity.ended(over.status, self._duration())
        status = Webhook(webhooks.url_of("/twilio/status"), form)
        try:
            for webhook in filter(None, (await player.farewell(self._last_words), status)):
                await webhooks.notify(webhook, STATUS_CALLBACK_SECONDS, self._quirks.begin)
        except WebhookFailed as failure:
            await self._tell(Problem(f"The status callback was lost: {failure}"))

    def _duration(self) -> float:
        return asyncio.get_running_loop().time() - (self._begun or 0)

    async def _tell(self, event: Event) -> None:
        dealt_with = asyncio.Event()
        self._events.put_nowait((event, dealt_with))
        if not isinstance(event, Asked | Recording):  # the caller thinks while the time runs
            await dealt_with.wait()
