"""The language and the voice of one relay session, which change during the call.

The provider learns of a change by the `language` frame alone: the fields of other frames are not known. So the voice
changes only with the language, to the voice that the session's document declares for it.
"""

import logging
from collections.abc import Iterable, Sequence

from orchestrator.conversation.actions import Action, HandOff, InlineAction, SetLanguage, SetVoice
from orchestrator.conversation.reply import Reply
from web.ingress import Ingress
from web.twilio.language import Languages
from web.twilio.relay import outbound_frames
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.spoken_reply import SpokenReply
from web.voices.provider_voices import DEFAULT_LANGUAGE

logger = logging.getLogger(__name__)

AGENT_PARAMETER = "agent"
"""The parameter with the name of the agent with whose voice the session begins."""
NO_LANGUAGES = Languages()
Change = SetLanguage | SetVoice | HandOff


class RelayVoice:
    """What the provider was told. `languages` are those of the session's document."""

    def __init__(self, languages: Languages = NO_LANGUAGES, call_sid: str = "") -> None:
        self._document = self._told = languages
        self._call_sid = call_sid
        self._hand_offs: list[tuple[str, int, Languages]] = []
        self._due: str | None = None
        self._has_warned = False

    @classmethod
    def of(cls, ingress: Ingress, provider: str, setup: Setup) -> "RelayVoice":
        """Return the voice of a session whose document has named the agent."""
        agent = setup.parameters.get(AGENT_PARAMETER, "")
        return cls(Languages(voices=ingress.voices.at(provider)).of_agent(agent), setup.call_sid)

    def frame(self, action: InlineAction, reply: SpokenReply) -> str | None:
        """Return the frame that carries out `action` at this place of `reply`; None if it needs none, or has none."""
        if not isinstance(action, SetLanguage | SetVoice | HandOff):
            return outbound_frames.action_frame(action)
        before, self._told = self._told, self._told.changed_by(action)
        match action:
            case SetLanguage():
                return outbound_frames.action_frame(action)
            case SetVoice(voice=voice):
                self._warn(f"the voice {voice}")
                return None
        at = len(reply.prefix) + len(reply.said)
        self._hand_offs = [earlier for earlier in self._hand_offs if earlier[0] == reply.turn_id]
        self._hand_offs.append((reply.turn_id, at, before))
        if not self._told.voices.is_heard_on_relay(self._document.agent, self._told.agent, self._told.language):
            self._warn(f"the voice of the agent {action.agent}")
        return _difference(before, self._told)

    def resume(self, changes: Sequence[Change]) -> str | None:
        """Return the frame after which a session of a known call speaks as after `changes`; None if it does so."""
        before, self._told = self._told, self._told.after(changes)
        if any(isinstance(change, HandOff) for change in changes):
            return _difference(before, self._told)
        chosen = [change for change in changes if isinstance(change, SetLanguage)]
        speech = next((change.speech for change in reversed(chosen) if change.speech), None)
        recognition = next((change.recognition for change in reversed(chosen) if change.recognition), None)
        return outbound_frames.action_frame(SetLanguage(speech=speech, recognition=recognition))

    def cut_off(self, reply: SpokenReply) -> None:
        """Note that the caller interrupted `reply`: a hand-off of which they heard no word did not take place."""
        self._take_back(reply, reply.heard)

    def finished(self, reply: SpokenReply, result: Reply) -> None:
        """Note the `result` of `reply`, all of which was sent that will be.

        A hand-off that is not in it did not take place, nor did one of whose words none was sent.
        """
        if not any(isinstance(action, HandOff) for action in result.actions):
            self._take_back(reply, "")
        elif len(result.text.strip()) > len(said := (reply.prefix + reply.said).strip()):
            self._take_back(reply, said)

    def take_due(self) -> str | None:
        """Return the frame to send before anything else is said; None if there is none."""
        due, self._due = self._due, None
        return due

    def _take_back(self, reply: SpokenReply, heard: str) -> None:
        """Return to the languages before the first hand-off in `reply` of whose words none are in `heard`."""
        for index, (turn_id, at, before) in enumerate(self._hand_offs):
            if turn_id == reply.turn_id and not heard[at:].strip():
                self._due = _difference(self._told, before)
                self._told = before
                del self._hand_offs[index:]
                return

    def _warn(self, what: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "Left out on a relay: %s. A relay's voice changes only with its language",
                what,
                extra={"action": "voice.not_changed", "call_sid": self._call_sid},
            )


def _difference(before: Languages, after: Languages) -> str | None:
    """Return the frame that changes the languages `before` to those `after`; None if they are the same."""
    spoken, heard = _pair(after)
    return None if (spoken, heard) == _pair(before) else outbound_frames.language(spoken, heard)


def _pair(languages: Languages) -> tuple[str, str]:
    return languages.language, languages.recognised or DEFAULT_LANGUAGE


def hands_over_only(actions: Iterable[Action]) -> bool:
    """True if nothing is done but to hand the call over: the caller may speak as after an empty reply."""
    return all(isinstance(action, HandOff) for action in actions)
