"""What every route of one ingress process shares."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from orchestrator.metrics import Metrics
from orchestrator.settings import Settings
from web.twilio.held_turn import Seal
from web.twilio.relay.switchboard import Switchboard
from web.twilio.signature import Signatures

if TYPE_CHECKING:
    from orchestrator.runtime import Runtime  # brings redis and arq along


OpenRuntime = Callable[[Settings], "AbstractAsyncContextManager[Runtime]"]


@dataclass(frozen=True)
class Pace:
    """How long things are waited for, in seconds. The provider gives up on a webhook after 15."""

    filler_after: float = 3.5  # a caller who hears nothing for longer thinks that the line is dead
    wait: float = 8.0
    hold: float = 60.0
    hold_full: float = 20.0
    heartbeat: float = 10.0
    check: float = 2.0


@dataclass(frozen=True)
class Ingress:
    """The parts that routes work with."""

    settings: Settings
    runtime: "Runtime"
    metrics: Metrics
    pace: Pace
    signatures: Signatures
    seal: Seal
    relay: Switchboard = field(default_factory=Switchboard)


def ingress_of(connection: HTTPConnection) -> Ingress:
    """The ingress that this request came in at."""
    ingress = connection.app.state.ingress
    assert isinstance(ingress, Ingress)
    return ingress
