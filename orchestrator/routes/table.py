"""`RouteTable`: which agent answers a call, by the number that is called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.routes.agent_entry import AgentEntry
from orchestrator.routes.called_number import REST, spelled
from orchestrator.routes.choice import ANY_AGENT, Choice
from orchestrator.routes.hook import Hook, IncomingCall
from orchestrator.routes.route import Route
from orchestrator.settings import Settings

__all__ = ["AgentEntry", "HookedChoice", "IncomingCall", "Route", "RouteTable", "load_routes"]


@dataclass(frozen=True, slots=True)
class HookedChoice:
    """A route whose `hook` is asked. `fallback` holds without it, and where it is late or fails."""

    fallback: Choice
    hook: Hook


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The agents by their names, and the routes by their numbers, in the spelling of `called_number.spelled`."""

    agents: Mapping[str, AgentEntry] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)

    def route_of(self, number: str) -> Route | None:
        """Return the route of a number: that of the longest match; None if there is none."""
        if not self.routes:
            return None
        called = spelled(number)
        if (exact := self.routes.get(called)) is not None and called != REST:
            return exact
        prefixes = (called[:length] + "*" for length in range(len(called), -1, -1))
        return next((self.routes[prefix] for prefix in prefixes if prefix in self.routes), None)

    def choose(self, to_number: str, call_sid: str, at: datetime) -> Choice | HookedChoice:
        """Return who answers a call to this number at this time, as far as that is known without asking a hook."""
        route = self.route_of(to_number)
        if route is None:
            return ANY_AGENT
        choice = route.choice(call_sid, at)
        return HookedChoice(choice, route.hook) if route.hook is not None and route.is_open(at) else choice

    def placed(self, from_number: str, key: str) -> Choice:
        """Return who talks in a call that is placed from this number: its hours and its hook do not matter then."""
        route = self.route_of(from_number)
        return ANY_AGENT if route is None else route.choice(key)

    async def choice(self, call: IncomingCall, at: datetime) -> Choice:
        """Return who answers the call: ask the hook of its route, if it has one."""
        found = self.choose(call.to_number, call.call_sid, at)
        return await found.hook.choice(call, found.fallback) if isinstance(found, HookedChoice) else found

    def entry(self, name: str) -> AgentEntry | None:
        """Return the agent of this name; None if the table has none."""
        return self.agents.get(name)

    @property
    def tenants(self) -> frozenset[str]:
        """Whose calls there may be: "" for those of nobody in particular."""
        found = {route.tenant for route in self.routes.values()}
        return frozenset(found if REST in self.routes else {*found, ""})

    @property
    def has_several_tenants(self) -> bool:
        """True if there are calls of more than one tenant."""
        return len(self.tenants) > 1

    async def close(self) -> None:
        """Give back what the hooks hold."""
        for route in self.routes.values():
            if route.hook is not None:
                await route.hook.close()


def load_routes(settings: Settings, *, with_hooks: bool = True) -> RouteTable:
    """Return the routes that ROUTES names; an empty table without it. Raise `BadSetting` with all complaints.

    Without `with_hooks` no hook is loaded: for processes that answer no calls.
    """
    if settings.routes is None:
        return RouteTable()
    from orchestrator.routes.routes_file import read_routes  # what is not used is not imported

    return RouteTable(*read_routes(settings, with_hooks=with_hooks))
