"""Plays TwiML as the provider does: document after document, verb after verb, until the call is over."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from orchestrator.provider_simulator.events import (
    Asked,
    Dialled,
    EndedBy,
    Event,
    FinalStatus,
    Played,
    Problem,
    Said,
    SpeakerChanged,
    Waiting,
)
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import Answer, AnswerListener
from orchestrator.provider_simulator.playback import HURRIED, PlaybackSpeed
from orchestrator.provider_simulator.relay import RelaySession
from orchestrator.provider_simulator.retries import PROVIDER_DEFAULT, RetryPolicy
from orchestrator.provider_simulator.speakers import agent_after, with_speakers
from orchestrator.provider_simulator.twiml import (
    BadTwiml,
    Connect,
    Dial,
    Gather,
    Hangup,
    Method,
    Pause,
    Play,
    Prompt,
    Redirect,
    Reject,
    Say,
    Verb,
    parse,
)
from orchestrator.provider_simulator.webhooks import Webhook, WebhookFailed, Webhooks

APOLOGY = "We are sorry, an application error has occurred. Goodbye."
MAX_DOCUMENTS_WITHOUT_ANSWER = 100
"""More documents in a row, with no question between them, are a loop."""
REJECTED: Mapping[str, FinalStatus] = {"busy": "busy", "rejected": "no-answer"}


class Over(Exception):
    """The call has ended, and by whom."""

    def __init__(self, by: EndedBy, status: FinalStatus = "completed") -> None:
        super().__init__(by, status)
        self.by, self.status = by, status


@dataclass(frozen=True, slots=True)
class ProviderQuirks:
    """How a line behaves where providers differ or a test needs it."""

    retry: RetryPolicy = PROVIDER_DEFAULT
    speed: PlaybackSpeed = HURRIED
    dial_status: str = "completed"


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
        self._webhooks = webhooks
        self._identity = identity
        self._listener = listener
        self._quirks = quirks
        self._tell = tell
        self._webhook = Webhook(webhooks.url_of("/twilio/voice"), {})
        self._unanswered_documents = 0
        self._agent = ""
        self._speaker = SpeakerChanged()
        self.connected = False
        """True if the server has answered at all."""
        self.relay: RelaySession | None = None
        """The relay session that is open now."""

    async def play(self) -> Over:
        """Play the call until the agent ends it."""
        try:
            verbs = await self._fetch(None, {}, "POST")
            while verbs:
                verbs = await self._perform(verbs[0]) or verbs[1:]
        except Over as over:
            return over
        except (WebhookFailed, BadTwiml) as problem:
            return await self._fail(problem)
        return Over("agent")

    async def _fail(self, problem: WebhookFailed | BadTwiml) -> Over:
        unreachable = isinstance(problem, WebhookFailed) and problem.kind == "ct"
        await self._tell(Problem(str(problem), unreachable=unreachable))
        if self.connected or not unreachable:
            await self._tell(Said(APOLOGY))
        return Over("problem", "completed" if self.connected else "failed")

    async def _perform(self, verb: Verb) -> list[Verb] | None:
        """Carry out one verb. Return the document that replaces this one, or None to continue with the next verb."""
        match verb:
            case Say() | Play() | Pause():
                await self._prompt(verb)
            case Gather():
                return await self._gather(verb)
            case Redirect(url, method):
                return await self._fetch(url, {}, method)
            case Dial():
                return await self._dial(verb)
            case Reject(reason):
                raise Over("agent", REJECTED.get(reason, "no-answer"))
            case Hangup():
                raise Over("agent")
            case Connect(kind="ConversationRelay"):
                return await self._relay(verb)
            case Connect(kind=kind):
                raise BadTwiml(
                    f"The server asks for <{kind}>, and this phone speaks <Gather> and <ConversationRelay> only. "
                    "Start the server with VOICE_CHANNEL=gather or relay."
                )
        return None

    async def _prompt(self, prompt: Prompt) -> None:
        match prompt:
            case Say(text) if text:
                await self._tell_speaker(SpeakerChanged(prompt.agent, prompt.voice, prompt.language))
                await self._tell(Said(text, interruptible=self._listener.is_listening))
                await self._listener.spend(self._quirks.speed.speaking_seconds(text))
            case Play(url, digits):
                await self._tell(Played(self._webhook.at(url, {}, "GET").url if url else "", digits))
            case Pause(seconds):
                await self._listener.spend(self._quirks.speed.pause_seconds(seconds))

    async def _tell_speaker(self, speaker: SpeakerChanged) -> None:
        """Tell who speaks from here on, if a voice or a name is known and another one spoke before."""
        if speaker != self._speaker and (speaker.agent or speaker.voice or self._speaker.voice):
            await self._tell(speaker)
        self._speaker = speaker

    async def _gather(self, gather: Gather) -> list[Verb] | None:
        with self._listener.listening(gather):
            answer = await self._ask(gather)
        self._unanswered_documents = 0
        if answer.is_silence and not gather.action_on_empty_result:
            return None
        return await self._fetch(gather.action, answer.form(), gather.method)

    async def _ask(self, gather: Gather) -> Answer:
        for prompt in gather.prompts:
            if self._listener.has_heard:  # barge-in: the rest is not spoken
                break
            await self._prompt(prompt)
        if not self._listener.has_heard:
            await self._tell(Asked(gather))
        return await self._listener.answer(self._quirks.speed.answer_seconds(gather.timeout_seconds))

    async def _relay(self, verb: Connect) -> list[Verb] | None:
        session = self.relay = RelaySession(
            verb, self._webhooks, self._identity, self._listener, self._quirks.speed, self._tell
        )
        status = await session.hold()
        self.relay = None
        if session.was_heard:
            self._unanswered_documents = 0
        if verb.action is None:
            return None
        return await self._fetch(verb.action, session.fields(status), verb.method)

    def farewell(self) -> Webhook | None:
        """Return the callback's form of a relay session that the caller ends by hanging up."""
        if self.relay is None or self.relay.verb.action is None:
            return None
        form = self._identity.fields("completed", self.relay.fields("completed"))
        return self._webhook.at(self.relay.verb.action, form, self.relay.verb.method)

    async def _dial(self, dial: Dial) -> list[Verb] | None:
        status = self._quirks.dial_status
        await self._tell(Dialled(dial.to, status))
        if dial.action is None:
            return None
        return await self._fetch(dial.action, {"DialCallStatus": status}, dial.method)

    async def _fetch(self, reference: str | None, extra: Mapping[str, str], method: Method) -> list[Verb]:
        """Return the document at `reference`; an empty one ends the call, as at the provider."""
        self._count_document()
        form = self._identity.fields("in-progress" if self.connected else "ringing", extra)
        self._webhook = self._webhook.at(reference, form, method)
        retry = self._quirks.retry if self.connected else PROVIDER_DEFAULT
        document = await self._webhooks.fetch(self._webhook, retry, self._say_that_it_waits)
        self.connected = True
        verbs = parse(document)
        if not verbs:
            raise Over("agent")
        before, self._agent = self._agent, agent_after(verbs) or self._agent
        return with_speakers(verbs, before, self._agent)

    def _count_document(self) -> None:
        self._unanswered_documents += 1
        if self._unanswered_documents > MAX_DOCUMENTS_WITHOUT_ANSWER:
            raise BadTwiml(f"{MAX_DOCUMENTS_WITHOUT_ANSWER} documents in a row asked nothing: that is a loop.")

    async def _say_that_it_waits(self, reason: str) -> None:
        await self._tell(Waiting(reason))
