"""Who answers a call that begins. The routes are asked once, by whichever ingress gets the first webhook.

A call that has a state keeps what was chosen then: a hook is not asked again. No hook is asked about calls that we
place, calls whose agent a client names, and calls that begin again because their state was lost.
"""

import logging
from contextlib import suppress
from dataclasses import replace

from orchestrator import clock
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import CallDeclined, StoreUnavailable, UnreadableState
from orchestrator.process_metrics import catalog
from orchestrator.routes.choice import Choice
from orchestrator.routes.table import HookedChoice, IncomingCall, RouteTable
from orchestrator.settings import Settings
from web.ingress import Ingress
from web.store_call import store_call

logger = logging.getLogger(__name__)

READ_SECONDS = 2.0


async def choice_of(ingress: Ingress, call: IncomingCall) -> Choice:
    """Return who answers a phone call that comes in. Raise `CallDeclined` if a hook refuses it."""
    found = ingress.routes.choose(call.to_number, call.call_sid, clock.utc_now())
    if not isinstance(found, HookedChoice):
        return found
    with suppress(StoreUnavailable, UnreadableState):
        state = await store_call(ingress.runtime.states.get_state(call.call_sid), READ_SECONDS)
        if state is not None:
            return choice_in(state)
    return await hooked_choice(ingress, call)


async def hooked_choice(ingress: Ingress, call: IncomingCall) -> Choice:
    """Return what the hook of the route says. Raise `CallDeclined` if it refuses the call."""
    choice = await ingress.routes.choice(call, clock.utc_now())
    if choice.refused is None:
        return choice
    catalog.CALLS_REFUSED.inc("hook")
    extra = {"action": "call.declined", "call_sid": call.call_sid}
    logger.info("A call was refused by the hook of its route", extra=extra)
    raise CallDeclined(choice.refused)


def has_hook(ingress: Ingress, number: str, call_sid: str) -> bool:
    """True if the route of our `number` asks a hook."""
    return isinstance(ingress.routes.choose(number, call_sid, clock.utc_now()), HookedChoice)


def without_hook(
    routes: RouteTable, number: str, call_sid: str, *, agent: str | None = None, is_placed: bool = False
) -> Choice:
    """Return what the route of our `number` says without its hook; with `agent`, that one answers.

    Hours do not matter to a call that `is_placed`: whoever places it has chosen the time.
    """
    if is_placed:
        choice = routes.placed(number, call_sid)
    else:
        found = routes.choose(number, call_sid, clock.utc_now())
        choice = found.fallback if isinstance(found, HookedChoice) else found
    return choice if agent is None else replace(choice, agent=agent)


def choice_in(state: ConversationState) -> Choice:
    """Return what was chosen for a call that has a state."""
    return Choice(agent=state.agent, tenant=state.tenant)


def channel_of(routes: RouteTable, settings: Settings, choice: Choice) -> str:
    """Return how a phone call with the chosen agent is held: `gather` or `relay`."""
    entry = routes.entry(choice.agent)
    return (entry.channel if entry is not None else None) or settings.voice_channel
