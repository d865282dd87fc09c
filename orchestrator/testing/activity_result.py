"""Runs the function of an activity in a test."""

import asyncio
import inspect
from typing import Any

from pydantic_core import from_json, to_json

from orchestrator.errors import BadAgent
from orchestrator.object_loading import load_object
from orchestrator.schedule.item import ActivityItem


async def activity_result(item: ActivityItem) -> dict[str, Any]:
    """Run the function once. Return the `data` of the turn that follows: its `result`, or the class of its `error`."""
    function = load_object(item.function, "StartActivity", BadAgent)
    arguments = dict(item.args)
    if "idempotency_key" in inspect.signature(function).parameters:
        arguments["idempotency_key"] = item.idempotency_key
    try:
        async with asyncio.timeout(item.timeout_seconds):
            if inspect.iscoroutinefunction(function):
                result = await function(**arguments)
            else:
                result = await asyncio.to_thread(function, **arguments)
            return {"result": from_json(to_json(result))}
    except Exception as error:  # whatever the user's function raises
        return {"error": type(error).__name__}
