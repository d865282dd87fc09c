"""What every route of one ingress process shares."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from orchestrator.metrics import Metrics
from orchestrator.settings import Settings
from web.deliveries import Deliveries
from web.rate_limit import RateLimit
from web.shared_seal import SharedSeal
from web.twilio.held_turn import Seal
from web.twilio.relay.switchboard import Switchboard
from web.twilio.signature import Signatures

if TYPE_CHECKING:
    from orchestrator.runtime import Runtime  # brings redis and arq along


AFTER_AGENT_SECONDS = 10.0
"""Added to the agent's deadline: a worker may die under a turn, and the next one needs its time too."""

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
    fresh: float = 1.0


class DrainStatus:
    """Whether this process has been told to leave. Set in a signal handler, read by `/readyz`."""

    def __init__(self) -> None:
        self.is_draining = False

    def begin(self) -> None:
        """The process leaves: no balancer should send it anything new."""
        self.is_draining = True


@dataclass(frozen=True)
class Ingress:
    """The parts that routes work with."""

    settings: Settings
    runtime: "Runtime"
    metrics: Metrics
    pace: Pace
    signatures: Signatures
    seal: Seal
    shared_seal: SharedSeal
    relay: Switchboard = field(default_factory=Switchboard)
    drain_status: DrainStatus = field(default_factory=DrainStatus)
    warnings: RateLimit = field(default_factory=RateLimit)
    deliveries: Deliveries = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "deliveries", Deliveries(self.metrics))

    @property
    def reply_seconds(self) -> float:
        """How long a caller waits for the reply to a turn that the store has, until an apology."""
        return max(self.pace.hold, self.settings.agent_timeout_seconds + AFTER_AGENT_SECONDS)

    @property
    def is_switching(self) -> bool:
        """Whether a process of the version before this one may still answer calls."""
        return self.shared_seal.is_switching


def ingress_of(connection: HTTPConnection) -> Ingress:
    """The ingress that this request came in at."""
    ingress = connection.app.state.ingress
    assert isinstance(ingress, Ingress)
    return ingress
