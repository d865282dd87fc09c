"""`Voices`: the voices of all agents at all providers; and what is said at start of what a provider does not know."""

import logging
from collections.abc import Mapping, Sequence

from orchestrator.routes.table import RouteTable
from orchestrator.routes.voice_profile import VoiceProfile, environment_profile
from orchestrator.settings import Settings
from web.voices.dialect import SpeechDialect
from web.voices.provider_voices import ProviderVoices
from web.voices.signalwire import SignalWireSpeech
from web.voices.telnyx import TelnyxSpeech
from web.voices.twilio import TwilioSpeech

logger = logging.getLogger(__name__)

DIALECTS: tuple[SpeechDialect, ...] = (TwilioSpeech(), TelnyxSpeech(), SignalWireSpeech())


class Voices:
    """The voices of all agents. `profiles` has them by the agent's name; "" is the agent of `AGENT`."""

    def __init__(self, profiles: Mapping[str, VoiceProfile] | None = None) -> None:
        self._of = {dialect.name: ProviderVoices(dialect, profiles or {}) for dialect in DIALECTS}

    @classmethod
    def of(cls, settings: Settings, table: RouteTable) -> "Voices":
        """Return the voices of the agents in `table`; what it leaves open is as the settings say."""
        environment = environment_profile(settings)
        of_agents = {name: entry.voice.or_else(environment) for name, entry in table.agents.items()}
        return cls({"": environment, **of_agents})

    def at(self, provider: str) -> ProviderVoices:
        """Return the voices at the provider of this name."""
        return self._of[provider]

    def warn(self, settings: Settings, table: RouteTable) -> None:
        """Log one warning of all that the providers in use do not know of the agents in `table`."""
        channels = {name: entry.channel or settings.voice_channel for name, entry in table.agents.items()}
        self.warn_of_left_out(_providers(settings), {"": settings.voice_channel, **channels})

    def warn_of_left_out(self, providers: Sequence[str], channel_of: Mapping[str, str]) -> None:
        """Log one warning of all that `providers` do not know. `channel_of` has the agents' channels."""
        lines = [f"{name}: {'; '.join(found)}" for name in providers if (found := self.at(name).left_out(channel_of))]
        if lines:
            logger.warning(
                "Left out of calls, because the provider does not document it. %s",
                " ".join(f"{line}." for line in lines),
                extra={"action": "voice.left_out"},
            )


def _providers(settings: Settings) -> list[str]:
    """Return the providers in use: those with a key, or without any the one that a developer's machine plays."""
    keys = {
        "twilio": settings.twilio_auth_token or not settings.knows_a_provider,
        "telnyx": settings.telnyx_public_key,
        "signalwire": settings.signalwire_signing_key,
    }
    return [name for name, key in keys.items() if key]
