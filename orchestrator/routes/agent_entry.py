"""`AgentEntry`: an agent as the routes name it."""

from dataclasses import dataclass, field
from typing import Any

from orchestrator.routes.voice_profile import VoiceProfile

OWN_SETTINGS = ("transfer_to", "time_zone", "emergency_number", "llm_prompt", "llm_model")
"""Settings of the environment that a built-in agent of the routes may have for itself."""


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as the routes name it. `agent` is a built-in's name or `package.module:object`.

    `channel` is `gather` or `relay`; None: what VOICE_CHANNEL says. What `voice` leaves open is as the settings say.
    `settings` are what the agent finds in `state.settings`. `line` is where the file names the
    `agent`.
    """

    name: str
    agent: str
    channel: str | None = None
    voice: VoiceProfile = field(default_factory=VoiceProfile)
    settings: dict[str, Any] = field(default_factory=dict)
    line: int = 1
