"""The judgement of the routes: whether they can be read, and which calls they leave to `AGENT`."""

from collections.abc import Iterator

from orchestrator.doctor.finding import Finding
from orchestrator.errors import BadSetting
from orchestrator.routes.called_number import REST
from orchestrator.routes.table import load_routes
from orchestrator.settings import Settings

LONGEST_SHORT_NUMBER = 8
"""How many digits a short code may have, or an extension behind a trunk."""


def judge_routes(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the file that ROUTES names; nothing without one. Its hooks are imported."""
    if settings.routes is None:
        return
    try:
        table = load_routes(settings)
    except BadSetting as error:
        for line in str(error).splitlines():
            yield Finding("routes", "problem", line, "Neither web nor workers start with this file: mend it.")
        return
    if not table.routes:
        yield Finding(
            "routes", "warning", "ROUTES names a file without a route.", "Add [[routes]]: AGENT answers every number."
        )
        return
    if REST not in table.routes and table.route_of("+") is None:
        yield Finding(
            "routes", "note", f"Numbers without a route are answered by {settings.agent} (AGENT).",
            'Add a route with number = "*" if another agent is to answer them.',
        )  # fmt: skip
    bare = [number for number in table.routes if number[0].isdecimal() and len(number) > LONGEST_SHORT_NUMBER]
    if bare:
        yield Finding(
            "routes", "warning", f"A route is for {bare[0]}, a number without its country.",
            f"Providers send the whole number. Write +{bare[0]}, if it begins with the country's digits.",
        )  # fmt: skip
    used = {name for route in table.routes.values() for name in (route.agent, route.closed, *route.split)}
    hooked = any(route.hook is not None for route in table.routes.values())
    idle = sorted(table.agents.keys() - used)
    if idle and not hooked:
        yield Finding(
            "routes", "note", f"No route leads to {', '.join(idle)}.",
            "They get calls only from other agents, or by their name over the API.",
        )  # fmt: skip
