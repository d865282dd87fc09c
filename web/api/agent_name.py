"""The name of an agent, as a client gives it."""

from web.ingress import Ingress
from web.problem_types import WRONG_FIELDS
from web.problems import Problem


def check_agent(ingress: Ingress, name: str | None) -> None:
    """Answer 422 to a name that the routes do not have. None is right: the client leaves the choice to them."""
    if name is None or name in ingress.routes.agents:
        return
    names = ", ".join(sorted(ingress.routes.agents))
    known = f"There are: {names}." if names else "There are none: set ROUTES."
    raise Problem(WRONG_FIELDS, f"agent: The routes have no agent of that name. {known}")
