"""Carries out the verbs of a call's documents, one after the other."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.provider_simulator.bad_twiml import BadTwiml
from orchestrator.provider_simulator.colleagues import Colleagues
from orchestrator.provider_simulator.dialling import Dialling
from orchestrator.provider_simulator.documents import Documents
from orchestrator.provider_simulator.events import Asked, EndedBy, Event, FinalStatus, Played, Said, SpeakerChanged
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import Answer, AnswerListener, as_taken
from orchestrator.provider_simulator.playback import HURRIED, PlaybackSpeed
from orchestrator.provider_simulator.recording import RecordingVerb
from orchestrator.provider_simulator.relay import RelaySession
from orchestrator.provider_simulator.relay_reconnect import Frame, RelayReconnect
from orchestrator.provider_simulator.retries import PROVIDER_DEFAULT, RetryPolicy
from orchestrator.provider_simulator.verbs import (
    Connect,
    Dial,
    Gather,
    Hangup,
    Method,
    Pause,
    Play,
    Prompt,
    Record,
    Redirect,
    Reject,
    Say,
    Verb,
)
from orchestrator.provider_simulator.webhooks import Webhook, Webhooks

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
    colleagues: Colleagues = field(default_factory=Colleagues)
    relay_reconnect: RelayReconnect = field(default_factory=RelayReconnect)
    begin: RetryPolicy = PROVIDER_DEFAULT


class VerbPlayer:
    """Performs the verbs of one call. `tell` receives each event and returns when the caller has handled it."""

    def __init__(
        self,
        webhooks: Webhooks,
        identity: CallIdentity,
        listener: AnswerListener,
        quirks: ProviderQuirks,
        documents: Documents,
        tell: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._webhooks = webhooks
        self._identity = identity
        self._listener = listener
        self._quirks = quirks
        self._documents = documents
        self._tell = tell
        self._speaker = SpeakerChanged()
        self._said = 0
        self._recording: RecordingVerb | None = None
        self._kept_events: Sequence[Frame] = ()
        self.relay: RelaySession | None = None
        """The relay session that is open now."""

    async def perform_all(self, verbs: list[Verb]) -> None:
        """Carry out a document and those that follow it. Raise `Over`, `WebhookFailed` or `BadTwiml`."""
        while verbs:
            verbs = await self._perform(verbs[0]) or verbs[1:]

    def break_off(self) -> None:
        """Note that what was being done was replaced, and has no callback."""
        self.relay = self._recording = None

    async def _perform(self, verb: Verb) -> list[Verb] | None:
        """Carry out one verb. Return the document that replaces this one, or None to continue with the next verb."""
        match verb:
            case Say() | Play() | Pause():
                await self._prompt(verb)
            case Gather():
                return await self._gather(verb)
            case Redirect(url, method):
                return await self.fetch(url, {}, method)
            case Dial():
                return await self._dial(verb)
            case Record():
                return await self._record(verb)
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
                self._said += len(text)
                await self._tell(Said(text, interruptible=self._listener.is_listening))
                await self._listener.spend(self._quirks.speed.speaking_seconds(text))
            case Play(url, digits):
                address = self._documents.webhook.at(url, {}, "GET").url if url else ""
                await self._tell(Played(address, digits))
            case Pause(seconds):
                await self._listener.spend(self._quirks.speed.pause_seconds(seconds))

    async def _tell_speaker(self, speaker: SpeakerChanged) -> None:
        """Tell who speaks from here on, if a voice or a name is known and another one spoke before."""
        if speaker != self._speaker and (speaker.agent or speaker.voice or self._speaker.voice):
            await self._tell(speaker)
        self._speaker = speaker

    async def _gather(self, gather: Gather) -> list[Verb] | None:
        with self._listener.listening(lambda answer: as_taken(gather, answer)):
            answer = await self._ask(gather)
        self._said = 0
        self._documents.note_answer()
        if answer.is_silence and not gather.action_on_empty_result:
            return None
        return await self.fetch(gather.action, answer.form(), gather.method)

    async def _ask(self, gather: Gather) -> Answer:
        for prompt in gather.prompts:
            if self._listener.has_heard:  # barge-in: the rest is not spoken
                break
            await self._prompt(prompt)
        if not self._listener.has_heard:
            await self._tell(Asked(gather))
        return await self._listener.answer(self._quirks.speed.answer_seconds(gather.timeout_seconds, self._said))

    async def _relay(self, verb: Connect) -> list[Verb] | None:
        session = self.relay = RelaySession(
            verb, self._webhooks, self._identity, self._listener, self._quirks.speed, self._tell,
            self._quirks.relay_reconnect, self._kept_events,
        )  # fmt: skip
        status = await session.hold()
        self.relay = None
        self._kept_events = session.unsent if verb.reconnects else []
        if session.was_heard:
            self._documents.note_answer()
        if verb.action is None:
            return None
        return await self.fetch(verb.action, session.fields(status), verb.method)

    async def _dial(self, dial: Dial) -> list[Verb] | None:
        dialling = Dialling(
            dial, self._identity, self._webhooks, self._documents.webhook, self._quirks.colleagues, self._quirks.speed,
            self._tell,
        )  # fmt: skip
        fields = await dialling.fields()
        self._documents.note_answer()
        if dial.action is None:
            return None
        return await self.fetch(dial.action, fields, dial.method)

    async def _record(self, record: Record) -> list[Verb] | None:
        self._recording = RecordingVerb(record, self._identity, self._listener, self._quirks.speed, self._tell)
        fields = await self._recording.fields()
        self._recording = None
        self._documents.note_answer()
        if fields is None:
            return None
        return await self.fetch(record.action, fields, record.method)

    async def farewell(self, last_words: str) -> Webhook | None:
        """Return the callback for what the caller ends by hanging up: a relay session, or a message of `last_words`."""
        if self.relay is not None and self.relay.verb.action is not None:
            return self._callback(self.relay.verb.action, self.relay.fields("completed"), self.relay.verb.method)
        if self._recording is not None and last_words:
            record = self._recording.record
            fields = await self._recording.recorded(last_words, "hangup")
            return self._callback(record.action, fields, record.method)
        return None

    def _callback(self, reference: str | None, fields: Mapping[str, str], method: Method) -> Webhook:
        return self._documents.webhook.at(reference, self._identity.fields("completed", fields), method)

    async def fetch(self, reference: str | None, extra: Mapping[str, str], method: Method) -> list[Verb]:
        """Return the document at `reference`; an empty one ends the call, as at the provider."""
        verbs = await self._documents.fetch(reference, extra, method)
        if not verbs:
            raise Over("agent")
        return verbs
