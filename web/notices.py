"""What an ingress notices of faults: a caller's socket was lost, or the provider had to send a webhook again."""

from collections.abc import Sequence
from dataclasses import replace

from orchestrator import clock
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.timings import COMMITTED
from orchestrator.incidents.incident import Noticed
from orchestrator.incidents.noticing import MS_SINCE_RECEIVED
from web.ingress import Ingress

LATE_MS = 250.0
"""A turn that was received so much earlier than the webhook that gets its reply has come by another webhook."""


def note_reconnected(
    ingress: Ingress, state: ConversationState, waiting: Sequence[str], lost_at: float | None, lost_by: str
) -> None:
    """Note that the call goes on over a new socket. `waiting` are its turns without a reply; the earlier socket was
    lost at `lost_at` (Unix seconds), and was that of the ingress `lost_by`, if that is known."""
    if waiting or state.turns:
        now, turn_id = clock.now(), waiting[0] if waiting else state.turns[-1].turn_id
        ms = 0.0 if lost_at is None else max(now - lost_at, 0.0) * 1000
        _add(ingress, Noticed(state.call_sid, turn_id, "reconnected", ms, now, lost_by))


def note_repeated(ingress: Ingress, call_sid: str, turn_id: str) -> None:
    """Note that a webhook brought a turn again whose reply is known: the first answer did not reach the provider."""
    _add(ingress, Noticed(call_sid, turn_id, "repeated", MS_SINCE_RECEIVED, clock.now()))


def note_if_repeated(ingress: Ingress, call_sid: str, result: TurnResult, since: float) -> None:
    """Note that the webhook that came at `since` (Unix seconds) gets a reply to a turn that had come before, if so."""
    earlier_ms = result.timings.get(COMMITTED, 0.0) - (clock.now() - since) * 1000
    if earlier_ms > LATE_MS:
        _add(ingress, Noticed(call_sid, result.turn_id, "repeated", earlier_ms, since))


def _add(ingress: Ingress, noticed: Noticed) -> None:
    own = ingress.runtime.presence.process_id
    ingress.runtime.incidents.noticing.add(replace(noticed, noticed_by=own))
