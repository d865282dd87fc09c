"""What every route of one ingress process shares."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from orchestrator.metrics import Metrics
from orchestrator.routes.table import RouteTable
from orchestrator.settings import Settings
from web.deliveries import Deliveries
from web.late_timings import LateTimings
from web.rate_limit import RateLimit
from web.seal import Seal
from web.sensitive_turns import SensitiveTurns
from web.session_registry import SessionRegistry
from web.shared_seal import SharedSeal
from web.shedding import Shedding
from web.voices.voices import Voices

if TYPE_CHECKING:
    from orchestrator.runtime import Runtime  # its import would import redis and arq


AFTER_AGENT_SECONDS = 10.0
"""Added to the agent's deadline: a worker may die under a turn, and the next one needs its time too."""

OpenRuntime = Callable[[Settings, SessionRegistry], "AbstractAsyncContextManager[Runtime]"]


class Signatures(Protocol):
    """The signature check of Twilio's webhooks and upgrades to WebSockets (`web.twilio.signature`)."""

    def check(self, request: Request, form: FormData) -> None:
        """Return if the signature of the webhook is right, else raise HTTPException 403."""

    def check_upgrade(self, websocket: WebSocket) -> None:
        """Return if the signature of the upgrade is right, else raise HTTPException 403."""


@dataclass(frozen=True)
class RelayTimeouts:
    """How long relay sessions wait, in seconds."""

    setup: float = 10.0
    """For the first frame that says which call the socket is for."""
    key_pause: float = 2.5
    """For the next key, until the keys pressed so far are an answer."""
    silence: float = 5.0
    """For the caller after an interruption without words or a reconnection, until the agent gets a `silence` turn."""
    burst_gap: float = 2.0
    """For the next event after the setup or the event before it: one that comes later is no repetition."""
    write: float = 10.0
    """For a peer that does not read, until the socket is closed."""
    ping: float = 3.0
    """For the answer to a ping: a peer that takes longer counts as gone."""
    stall: float = 2.0
    """For the next part of a reply, until it is checked: the store may be down, or may have lost the turn."""
    store: float = 4.0
    """For one access to the store, with its retries."""
    outage: float = 10.0
    """For a store that is down, until a known call continues in this process. What happens here is lost if this process
    dies before the store is back, so a shorter outage is better waited out."""


@dataclass(frozen=True)
class Timeouts:
    """How long routes wait, in seconds. Twilio cancels a webhook after 15."""

    filler_after: float = 3.5
    """For a reply, until the first filler: a caller who hears nothing for longer thinks that the line is dead."""
    wait: float = 8.0
    """For a reply, between one filler and the next."""
    store: float = 8.0
    """For a store that is down, within one request: the access is repeated until then."""
    hold: float = 60.0
    """For a store that is down, until the caller hears an apology."""
    hold_full: float = 20.0
    """The same for a store that is full."""
    reply_grace: float = 5.0
    """For the reply to a text turn, in addition to the agent's own deadline."""
    message: float = 2.0
    """For the recording of a caller who has hung up, until the call ends without it."""
    result: float = 5.0
    """For the result of a text turn whose last token was streamed."""
    heartbeat: float = 10.0
    """Between comments in a stream of server-sent events."""
    check: float = 2.0
    """For each reading of the store for a health page, the metrics or the dashboard."""
    fresh: float = 1.0
    """How long such a reading is cached for the health pages and the metrics."""
    record: float = 10.0
    """Between two additions to the history."""
    overview: float = 0.8
    """The same for what `GET /overview` shows, which many may ask for once a second."""
    session: float = 12 * 3600
    """How long somebody who gave a key to a page need not give it again."""
    relay: RelayTimeouts = field(default_factory=RelayTimeouts)


class DrainStatus:
    """Whether this process drains, since a signal asked it to exit. Set in a signal handler, read by `/readyz`."""

    def __init__(self) -> None:
        self.is_draining = False
        self.is_leaving = False
        """It drains, by a signal or since another process takes its place on the port."""

    def begin(self) -> None:
        """Note that the process is about to exit: `/readyz` answers 503, so that no balancer sends it new requests."""
        self.is_draining = self.is_leaving = True


@dataclass(frozen=True)
class Ingress:
    """What routes work with."""

    settings: Settings
    runtime: "Runtime"
    metrics: Metrics
    timeouts: Timeouts
    signatures: Signatures
    seal: Seal
    shared_seal: SharedSeal
    sessions: SessionRegistry
    routes: RouteTable = field(default_factory=RouteTable)
    drain_status: DrainStatus = field(default_factory=DrainStatus)
    warnings: RateLimit = field(default_factory=RateLimit)
    late_timings: LateTimings = field(default_factory=LateTimings)
    voices: Voices = field(default_factory=Voices)
    shedding: Shedding = field(default_factory=Shedding)
    deliveries: Deliveries = field(init=False)
    sensitive_turns: SensitiveTurns = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "deliveries", Deliveries(self.metrics))
        object.__setattr__(self, "sensitive_turns", SensitiveTurns(self.settings))

    @property
    def reply_seconds(self) -> float:
        """How long a caller waits for the reply to a turn that the store has, until an apology."""
        return max(self.timeouts.hold, self.settings.agent_timeout_seconds + AFTER_AGENT_SECONDS)

    @property
    def is_upgrading(self) -> bool:
        """True while an ingress of the previous version may still answer calls."""
        return self.shared_seal.is_upgrading


def ingress_of(connection: HTTPConnection) -> Ingress:
    """Return the ingress that received this request."""
    ingress = connection.app.state.ingress
    assert isinstance(ingress, Ingress)
    return ingress
