"""The functions that arq calls for a job."""

from typing import Any

from workers.runtime import WorkerRuntime


async def run_turns(ctx: dict[Any, Any], call_sid: str) -> None:
    """Run the queued turns of a call, for other producers of arq jobs: the worker claims most calls without it."""
    runtime: WorkerRuntime = ctx["runtime"]
    await runtime.run_call(call_sid)
