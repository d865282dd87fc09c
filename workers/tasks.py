"""The arq functions, each a line or two into the domain."""

from typing import Any

from workers.office import Office


async def run_turns(ctx: dict[Any, Any], call_sid: str) -> None:
    """Run the waiting turns of a call. The worker claims most calls itself; this serves any other arq producer."""
    office: Office = ctx["office"]
    await office.run_call(call_sid)
