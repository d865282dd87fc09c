"""The arq functions, each a line or two into the domain."""

from typing import Any

from workers.runtime import WorkerRuntime


async def run_turns(ctx: dict[Any, Any], call_sid: str) -> None:
    """Run the waiting turns of a call. The worker claims most calls itself; this serves any other arq producer."""
    runtime: WorkerRuntime = ctx["runtime"]
    await runtime.run_call(call_sid)
