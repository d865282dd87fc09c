"""The names of the agents that speak on a relay, where the provider is told of a voice and not of a name."""

from orchestrator.provider_simulator import SpeakerChanged
from orchestrator.routes.table import load_routes
from orchestrator.routes.voice_profile import VoiceProfile, environment_profile
from orchestrator.settings import Settings


class SpeakerNames:
    """Finds an agent by its language and its voice, in the routes that this machine's settings name."""

    def __init__(self, settings: Settings) -> None:
        environment = environment_profile(settings)
        agents = load_routes(settings, with_hooks=False).agents if settings.routes else {}
        self._profiles = {name: entry.voice.or_else(environment) for name, entry in agents.items()}

    def name_of(self, speaker: SpeakerChanged) -> str:
        """Return who speaks; "" if that is not known, or could be several."""
        if speaker.agent or not speaker.voice:
            return speaker.agent
        found = [name for name, profile in self._profiles.items() if _is_spoken_by(speaker, profile)]
        return found[0] if len(found) == 1 else ""


def _is_spoken_by(speaker: SpeakerChanged, profile: VoiceProfile) -> bool:
    is_language = (profile.language or "").lower() == speaker.language.lower()
    return is_language and (profile.voice or "").endswith(speaker.voice)
