"""How the provider carries out `<Record>`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from orchestrator.provider_simulator.events import Event, Recorded, Recording
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import Answer, AnswerListener
from orchestrator.provider_simulator.playback import PlaybackSpeed
from orchestrator.provider_simulator.verbs import Record

CHARACTERS_PER_SECOND = 15
RECORDINGS_AT = "https://api.twilio.com/2010-04-01/Accounts"


@dataclass(frozen=True)
class RecordingVerb:
    """One `<Record>` of the call `caller`, who speaks through `listener`."""

    record: Record
    caller: CallIdentity
    listener: AnswerListener
    speed: PlaybackSpeed
    tell: Callable[[Event], Awaitable[None]]

    async def fields(self) -> dict[str, str] | None:
        """Record a message. Return the form fields of the action, or None if nothing was recorded."""
        with self.listener.listening(self._taken):
            await self.tell(Recording(self.record.finish_on_key, self.record.beeps))
            answer = await self.listener.answer(self.speed.answer_seconds(self.record.timeout_seconds))
        if answer.is_silence:
            return None
        return await self.recorded(answer.speech, answer.keys)

    def _taken(self, answer: Answer) -> Answer | None:
        """Return the words, or the key that ends the recording; other keys are part of it, and nobody reads them."""
        ending = [key for key in answer.keys if key in self.record.finish_on_key]
        return None if answer.keys and not ending else Answer(answer.speech, "".join(ending[:1]))

    async def recorded(self, text: str, ended_by: str) -> dict[str, str]:
        """Tell what was recorded, and return the form fields. `ended_by` is a key, `hangup`, or "" after silence."""
        sid = "RE" + uuid4().hex
        url = f"{RECORDINGS_AT}/{self.caller.account_sid}/Recordings/{sid}"
        seconds = min(max(1, round(len(text) / CHARACTERS_PER_SECOND)), int(self.record.max_seconds))
        await self.tell(Recorded(text, url, seconds))
        return {"RecordingUrl": url, "RecordingSid": sid, "RecordingDuration": str(seconds), "Digits": ended_by}
