"""The look-up of appointments: an activity, because the calendar of a real practice takes its time to answer."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime

from orchestrator.agents.appointments import calendar

FREE_TIMES = f"{__name__}:free_times"
"""The name of the function, as `StartActivity` takes it."""
ANSWER_SECONDS = 3.0
"""How long this made-up calendar takes."""


async def free_times(
    today: str, wished: Sequence[str] = (), avoided: Sequence[str] = (), answer_seconds: float = ANSWER_SECONDS
) -> list[str]:
    """Return the appointments to offer, in ISO 8601: those of `wished` that are free, else the next ones.

    `avoided` are days on which none is offered. Raise `ValueError` for what is no date or time.
    """
    day = date.fromisoformat(today)
    days = [date.fromisoformat(other) for other in avoided]
    wanted = {datetime.fromisoformat(slot) for slot in wished}
    await asyncio.sleep(answer_seconds)
    free = [slot for slot in calendar.free_slots(day, days) if slot in wanted]
    return [slot.isoformat() for slot in free or calendar.first_offers(day, avoided=days)]
