"""Reads a file of routes. All that is wrong with it is said at once, each with its line."""

import inspect
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

from orchestrator.errors import BadSetting
from orchestrator.object_loading import load_object
from orchestrator.routes.agent_entry import AgentEntry
from orchestrator.routes.agents_section import NAME, SAY_NAME, read_agents
from orchestrator.routes.called_number import pattern_of
from orchestrator.routes.complaints import Complaints, Table
from orchestrator.routes.hook import Asked, AskedFunction, Hook
from orchestrator.routes.opening_hours import OpeningHours, opening_hours
from orchestrator.routes.route import Route
from orchestrator.routes.toml_lines import TomlLines
from orchestrator.settings import Settings
from orchestrator.settings.checks import known_zone
from orchestrator.settings.complaints import without_credentials

KEYS = frozenset(
    {"number", "agent", "split", "tenant", "max_calls", "hours", "time_zone", "closed", "hook"}
)  # fmt: skip
LONGEST_FILE = 1024 * 1024
SAY_NUMBER = (
    'must be a number with its country such as "+15551230001", a beginning such as "+1555*", "sip:desk@example.com", '
    '"client:anna", or "*" for the rest'
)


def read_routes(settings: Settings, *, with_hooks: bool = True) -> tuple[dict[str, AgentEntry], dict[str, Route]]:
    """Return the agents and the routes of the file that ROUTES names. Raise `BadSetting`, a line for each complaint.

    Without `with_hooks` no hook is loaded: for processes that answer no calls.
    """
    name = settings.routes or ""
    text = _text_of(name)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{name}: {error}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets a thousand deep
        raise BadSetting(f"{name}: holds a number that is too long, or brackets that are too deep") from None
    complaints = Complaints(name, TomlLines(text))
    Table("", content, complaints).check_keys({"agents", "routes"})
    agents = read_agents(content.get("agents", {}), complaints)
    reader = _RouteReader(agents, complaints, settings, with_hooks=with_hooks)
    routes = reader.read(content.get("routes", []))
    complaints.raise_any()
    return agents, routes


def _text_of(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            raise BadSetting(f"{name}: the routes take more than {LONGEST_FILE} bytes")
        return content.decode("utf-8-sig")  # some editors begin a file with U+FEFF
    except OSError as error:
        raise BadSetting(f"{name}: the routes cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadSetting(f"{name}: the routes are not UTF-8") from None


class _RouteReader:
    """Reads `[[routes]]`."""

    def __init__(
        self, agents: Mapping[str, AgentEntry], complaints: Complaints, settings: Settings, *, with_hooks: bool
    ) -> None:
        self._agents = agents
        self._complaints = complaints
        self._settings = settings
        self._with_hooks = with_hooks
        self._limits: dict[str, int] = {}

    def read(self, section: Any) -> dict[str, Route]:
        """Return the routes by their numbers."""
        if not isinstance(section, list):
            self._complaints.add(Table("routes", {}, self._complaints), "", "write [[routes]] for each of them")
            return {}
        tables = [Table("routes", fields, self._complaints, index) for index, fields in enumerate(section)]
        self._limits = self._limits_of_tenants(tables)
        found: dict[str, Route] = {}
        for table in tables:
            route = self._route(table)
            if route.number in found:
                table.complaints.add(table, "number", f"two routes are for {route.number}")
            elif route.number:
                found[route.number] = route
        return found

    def _limits_of_tenants(self, tables: list[Table]) -> dict[str, int]:
        """Return how many calls each tenant may have; complain of two answers."""
        limits: dict[str, int] = {}
        for table in tables:
            tenant, most = table.fields.get("tenant"), table.fields.get("max_calls")
            if isinstance(tenant, str) and _is_count(most) and limits.setdefault(tenant, most) != most:
                table.complaints.add(
                    table, "max_calls", f"the tenant {tenant[:64]!r} has another limit in a route before"
                )
        return limits

    def _route(self, table: Table) -> Route:
        table.check_keys(KEYS)
        number, tenant, split = self._number(table), self._tenant(table), self._split(table)
        agent = table.one_of("agent", self._agents, "agent")
        if agent is None and not {"agent", "split"} & table.fields.keys():
            table.complaints.add(table, "agent", "is missing: who answers this number?")
        agent = agent or next(iter(split), "")
        most = self._limits.get(tenant) if tenant else self._max_calls(table)
        return Route(
            number=number,
            agent=agent,
            split=split,
            tenant=tenant,
            max_calls=most,
            limited_as="" if most is None else tenant or number,
            hours=self._hours(table),
            zone=self._zone(table),
            closed=table.one_of("closed", self._agents, "agent") or agent,
            hook=self._hook(table),
        )

    def _number(self, table: Table) -> str:
        text = table.text("number")
        if text is None:
            if "number" not in table.fields:
                table.complaints.add(table, "number", "is missing: which number is this route for?")
            return ""
        found = pattern_of(text)
        if found is None:
            table.complaints.add(table, "number", SAY_NUMBER)
        return found or ""

    def _tenant(self, table: Table) -> str:
        self._max_calls(table)
        tenant = table.text("tenant")
        if tenant is not None and not NAME.fullmatch(tenant):
            table.complaints.add(table, "tenant", SAY_NAME)
        return tenant or ""

    def _max_calls(self, table: Table) -> int | None:
        most = table.fields.get("max_calls")
        if most is not None and not _is_count(most):
            table.complaints.add(table, "max_calls", "must be a whole number of at least 1")
            return None
        return most

    def _split(self, table: Table) -> dict[str, float]:
        split = table.fields.get("split", {})
        if not isinstance(split, dict) or not all(_is_share(share) for share in split.values()):
            table.complaints.add(table, "split", "must say how many parts each agent gets: { old = 95, new = 5 }")
            return {}
        for agent in split:
            if agent not in self._agents:
                names = ", ".join(sorted(self._agents)) or "none"
                table.complaints.add(table, "split", f"there is no agent {agent[:100]!r}; there are {names}")
        if split and not sum(split.values()):
            table.complaints.add(table, "split", "gives no agent any part")
        return {agent: float(share) for agent, share in split.items()}

    def _hours(self, table: Table) -> OpeningHours | None:
        text = table.text("hours")
        for key in ("closed", "time_zone"):
            if key in table.fields and "hours" not in table.fields:
                table.complaints.add(table, key, "means nothing without hours")
        if text is None:
            return None
        if "closed" not in table.fields:
            table.complaints.add(table, "hours", "need closed: which agent answers outside of them?")
        try:
            return opening_hours(text)
        except ValueError as error:
            table.complaints.add(table, "hours", str(error))
            return None

    def _zone(self, table: Table) -> ZoneInfo | None:
        name = table.text("time_zone") or (self._settings.time_zone if "hours" in table.fields else None)
        try:
            return ZoneInfo(known_zone(name)) if name else None
        except ValueError as error:
            table.complaints.add(table, "time_zone", str(error))
            return None

    def _hook(self, table: Table) -> Hook | None:
        name = table.text("hook")
        if name is None or not self._with_hooks:
            return None
        asked = self._asked_url(table, name) if "://" in name else self._asked_function(table, name)
        return None if asked is None else Hook(without_credentials(name), asked, self._agents)

    def _asked_url(self, table: Table, url: str) -> Asked | None:
        from orchestrator.routes.hook_request import AskedUrl, checked_url  # httpx is not imported where none is asked

        secrets, allow_private = self._settings.hook_secrets, self._settings.routes_hook_allow_private
        try:
            checked_url(url, allow_private=allow_private)
            if not secrets:
                raise ValueError("needs ROUTES_HOOK_SECRET, which signs what the hook is asked")
        except ValueError as error:
            table.complaints.add(table, "hook", str(error))
            return None
        return AskedUrl(url, secrets, allow_private=allow_private)

    def _asked_function(self, table: Table, name: str) -> Asked | None:
        try:
            function = load_object(name, "hook")
        except BadSetting as error:
            table.complaints.add(table, "hook", str(error).removeprefix("hook="))
            return None
        if not callable(function):
            table.complaints.add(table, "hook", f"{name!r} is no function")
            return None
        if not _takes_a_call(function):
            table.complaints.add(table, "hook", f"{name!r} must take one argument, the call")
            return None
        return AskedFunction(function)


def _takes_a_call(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # written in C: nobody knows
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
