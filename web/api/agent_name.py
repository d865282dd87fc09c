"""The name of an agent, as a client gives it."""

from starlette.exceptions import HTTPException

from web.ingress import Ingress


def check_agent(ingress: Ingress, name: str | None) -> None:
    """Answer 422 to a name that the routes do not have. None is right: the client leaves the choice to them."""
    if name is None or name in ingress.routes.agents:
        return
    names = ", ".join(sorted(ingress.routes.agents))
    known = f"There are: {names}." if names else "There are none: set ROUTES."
    raise HTTPException(422, f"agent: The routes have no agent of that name. {known}")
