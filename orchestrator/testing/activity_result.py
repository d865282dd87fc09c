"""Runs the function of an activity in a test, and checks what an agent starts, as a call would."""

import asyncio
import inspect
from typing import Any

from pydantic_core import from_json, to_json

from orchestrator.conversation.actions import CancelActivity, StartActivity
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import BadAgent, BadReply
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


def check_activities(state: ConversationState, record: TurnRecord) -> None:
    """Raise `BadReply` if the reply starts an activity under the name of one that is live, as the turn would fail."""
    live = {name for name, activity in state.activities.items() if activity.turn_id != record.turn_id}
    for action in record.reply.actions:
        if isinstance(action, StartActivity):
            if action.name in live:
                raise BadReply(f"An activity named {action.name!r} is running already. Start it under another name.")
            live.add(action.name)
        elif isinstance(action, CancelActivity):
            live.discard(action.name)
