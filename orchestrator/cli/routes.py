"""Show which agent answers which number, as the file that ROUTES names says.

voiceagent routes                          all routes, and whether they are open now
voiceagent routes +15551230001             who answers this number
voiceagent routes +15551230001 --at 2026-11-26T20:00   … at that time, in this machine's time zone
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator import clock
from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json
from orchestrator.cli.table import table_lines
from orchestrator.cli.transcript import printable
from orchestrator.routes.route import Route
from orchestrator.routes.table import RouteTable, load_routes
from orchestrator.routes.voice_profile import environment_profile
from orchestrator.settings import Settings, load_settings

DAY = timedelta(days=2)
HEADINGS = ("number", "agent", "tenant", "calls", "hours", "now", "hook")
AGENT_HEADINGS = ("agent", "code", "channel", "language", "voice")
NONE = "ROUTES is not set: {agent} (AGENT) answers every number."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent routes`."""
    parser.add_argument("number", nargs="?", metavar="NUMBER", help="who answers this number")
    parser.add_argument(
        "--at", type=_time, metavar="TIME", help="at that time, such as 2026-11-26T20:00 (default: now)"
    )
    add_json(parser)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip()).astimezone()
        _ = found - DAY, found + DAY  # in every zone, and with the day before, it is a time that can be named
        return found
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} will not do: give a time such as 2026-11-26T20:00.") from None


def run(args: argparse.Namespace) -> int:
    """Run the command. Raise `BadSetting` for bad routes."""
    settings = load_settings()
    table = load_routes(settings)
    at = args.at or datetime.fromtimestamp(clock.now(), UTC)
    if args.number is not None:
        found = _answer(table, settings, args.number, at)
        lines = [json.dumps(found)] if args.json else [printable(line) for line in _sentences(found)]
    elif args.json:
        lines = [json.dumps([_described(table, settings, route, at) for route in table.routes.values()])]
    else:
        lines = _listed(table, settings, at)
    print("\n".join(lines))
    return 0


def _listed(table: RouteTable, settings: Settings, at: datetime) -> list[str]:
    if settings.routes is None:
        return [NONE.format(agent=settings.agent)]
    colors = Colors(sys.stdout)
    routes = [_row(route, at) for route in table.routes.values()]
    agents = [_agent_row(name, _entry(table, settings, name)) for name in table.agents]
    return [*_shown(HEADINGS, routes, colors), "", *_shown(AGENT_HEADINGS, agents, colors)]


def _shown(headings: Sequence[str], rows: Sequence[Sequence[str]], colors: Colors) -> list[str]:
    """Return the rows as a table, without the columns that are empty and without what a terminal would obey."""
    filled = [index for index in range(len(headings)) if index == 0 or any(row[index] for row in rows)]
    cells = [[printable(row[index]) for index in filled] for row in rows]
    return table_lines([headings[index] for index in filled], cells, colors)


def _row(route: Route, at: datetime) -> Sequence[str]:
    state = "" if route.hours is None else "open" if route.is_open(at) else f"closed: {route.closed}"
    return (
        route.number, _agents_of(route), route.tenant, "" if route.max_calls is None else f"≤ {route.max_calls}",
        _hours_of(route), state, "" if route.hook is None else route.hook.name,
    )  # fmt: skip


def _agent_row(name: str, entry: dict[str, Any]) -> Sequence[str]:
    return name, *(entry[field] or "" for field in ("agent", "channel", "language", "voice"))


def _hours_of(route: Route) -> str:
    if route.hours is None:
        return ""
    return route.hours.text if route.zone is None else f"{route.hours.text} {route.zone}"


def _agents_of(route: Route) -> str:
    if not route.split:
        return route.agent
    whole = sum(route.split.values())
    return ", ".join(f"{name} {100 * part / whole:g} %" for name, part in route.split.items())


def _answer(table: RouteTable, settings: Settings, number: str, at: datetime) -> dict[str, Any]:
    route = table.route_of(number)
    if route is None:
        return {"number": number, "route": None, "agent": settings.agent}
    return {**_described(table, settings, route, at), "number": number, "route": route.number}


def _described(table: RouteTable, settings: Settings, route: Route, at: datetime) -> dict[str, Any]:
    """Return what a machine reads of a route. `agents` are those that may answer, with their parts of the calls."""
    is_open = route.is_open(at)
    agents = route.split if is_open and route.split else {route.agent if is_open else route.closed: 1.0}
    whole = sum(agents.values())
    return {
        "number": route.number,
        "hours": _hours_of(route) or None,
        "is_open": is_open,
        "agents": [
            {"name": name, "share": part / whole, **_entry(table, settings, name)} for name, part in agents.items()
        ],
        "hook": route.hook.name if route.hook is not None and is_open else None,
        "tenant": route.tenant,
        "max_calls": route.max_calls,
        "limited_as": route.limited_as,
    }


def _entry(table: RouteTable, settings: Settings, name: str) -> dict[str, Any]:
    entry = table.entry(name)
    if entry is None:
        return {}
    voice = entry.voice.or_else(environment_profile(settings))
    return {
        "agent": entry.agent, "channel": entry.channel or settings.voice_channel, "language": voice.language,
        "voice": voice.voice,
    }  # fmt: skip


def _sentences(found: dict[str, Any]) -> list[str]:
    """Return what a person reads of one number."""
    if found["route"] is None:
        return [f"{found['number']}: no route matches; {found['agent']} (AGENT) answers."]
    lines = [f"{found['number']}: route {found['route']}"]
    if found["hours"]:
        lines.append(f"  hours         {found['hours']}: {'open' if found['is_open'] else 'closed'}")
    if found["hook"]:
        lines.append(f"  asked first   {found['hook']}")
    for agent in found["agents"]:
        share = "" if agent["share"] == 1 else f" ({100 * agent['share']:g} %)"
        details = [agent.get("agent"), agent.get("channel"), agent.get("language"), agent.get("voice")]
        lines.append(f"  answered by   {agent['name']}{share}: {', '.join(filter(None, details))}")
    if found["tenant"]:
        lines.append(f"  tenant        {found['tenant']}")
    if found["max_calls"] is not None:
        lines.append(f"  calls         at most {found['max_calls']} at once, counted for {found['limited_as']}")
    return lines
