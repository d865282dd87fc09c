"""A real ingress on loopback without Redis, whose turn store fails on demand."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import httpx
from starlette.applications import Starlette
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator.agents.protocol import Agent, AgentFunction
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.dispatch.ingress_events import IngressEvents
from orchestrator.dispatch.opening import open_runtime
from orchestrator.errors import VoiceAgentError
from orchestrator.metrics import Metrics
from orchestrator.runtime import Runtime
from orchestrator.settings import Settings
from orchestrator.turns.store import TurnStore
from web.app import create_app
from web.connection_limits import ConnectionLimits
from web.ingress import Timeouts
from web.server import IngressServer, server_config

TOKEN = "12345"
CALL = "CA00000000000000000000000000000000"
SILENT = "silent"
"""The status of a Redis that does not answer; see `Ingress.report`."""
QUICK = {"filler_after": 0.3, "wait": 0.3, "check": 0.3, "fresh": 0}
"""Timeouts of tests in which a caller hears fillers or is not waited for: `start_ingress(timeouts=QUICK)`."""
PATIENT = Timeouts(filler_after=60, wait=60, store=0.05, hold=60, hold_full=20, heartbeat=0.05, check=60, fresh=0)
"""Timeouts of all other tests: however slow the machine, the caller hears the agent and no filler."""


async def parrot(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Greets, and repeats what it hears."""
    if turn.kind == "started":
        yield "Hello!"
    elif turn.kind == "silence":
        yield "Are you there?"
    elif turn.kind != "ended":
        yield f"You said {turn.text}."


class FaultyStore:
    """The turn store of an ingress without Redis. It notes what was submitted to it, and fails on demand."""

    def __init__(self, real: TurnStore) -> None:
        self._real = real
        self.error: Exception | None = None
        self.turns: list[Turn] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def submit(self, turn: Turn, **options: Any) -> Any:
        self._fail()
        recorded = await self._real.submit(turn, **options)
        self.turns.append(turn)
        return recorded

    async def find(self, call_sid: str, turn_id: str) -> Any:
        self._fail()
        return await self._real.find(call_sid, turn_id)

    async def waiting(self, call_sid: str) -> list[str]:
        self._fail()
        return await self._real.waiting(call_sid)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class Ingress:
    """A running ingress, and a client that signs what it posts."""

    url: str
    app: Starlette
    client: httpx.AsyncClient
    runtime: Runtime
    dispatcher: InProcessDispatcher
    store: FaultyStore
    token: str = TOKEN
    call_sid: str = CALL
    fields: dict[str, str] = field(
        default_factory=lambda: {
            "From": "+15558675310", "To": "+15551234567", "Direction": "inbound", "FromCity": "",
        }
    )  # fmt: skip

    @property
    def turns(self) -> list[Turn]:
        """What was submitted to the store."""
        return self.store.turns

    def trouble(self, error: VoiceAgentError | Exception | None) -> None:
        """From here on the turn store raises `error`; None mends it."""
        self.store.error = error

    def report(self, status: Any = None, workers: Any = None) -> None:
        """Have the runtime report this of Redis and the workers: it has none. An exception as `status` is raised, and
        `SILENT` is not answered."""

        async def system_status() -> Any:
            if isinstance(status, Exception):
                raise status
            if status == SILENT:
                await asyncio.sleep(60)
            return status

        async def listed() -> Any:
            return workers

        self.runtime.system_status, self.runtime.workers = system_status, listed  # type: ignore[method-assign]

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """Post a signed webhook."""
        form = {"CallSid": self.call_sid, "CallStatus": "in-progress", **self.fields, **fields}
        signature = RequestValidator(self.token).compute_signature(self.url + path, form)
        return await self.client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    async def twiml(self, path: str, **fields: str) -> ElementTree.Element:
        """Post a signed webhook and parse the TwiML it answers with."""
        response = await self.post(path, **fields)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/xml")
        return ElementTree.fromstring(response.text)

    async def begin(self) -> ElementTree.Element:
        """The call comes in."""
        return await self.twiml("/twilio/voice", CallStatus="ringing")

    async def state(self) -> ConversationState | None:
        """The state of the call."""
        return await self.runtime.states.get_state(self.call_sid)


def said(document: ElementTree.Element) -> str:
    """All that a document says."""
    return " ".join(say.text or "" for say in document.iter("Say"))


def verbs(document: ElementTree.Element) -> list[str]:
    """The top-level verbs of a document."""
    return [verb.tag for verb in document]


def redirect_of(document: ElementTree.Element) -> str:
    """Where a document redirects to."""
    redirect = document.find("Redirect")
    assert redirect is not None
    assert redirect.text
    return redirect.text


class InstantServer(IngressServer):
    """uvicorn's server without its pauses of 0.1 s: hundreds of tests start one."""

    def __init__(self, app: Starlette, settings: Settings, limits: ConnectionLimits) -> None:
        super().__init__(server_config(app, settings, limits), limits)
        self.leave = asyncio.Event()

    async def main_loop(self) -> None:
        await self.leave.wait()

    async def shutdown(self, sockets: Any = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=5)


@asynccontextmanager
async def serving(app: Starlette, settings: Settings, limits: ConnectionLimits | None = None) -> AsyncIterator[str]:
    """A real uvicorn server in this event loop; its URL."""
    server = InstantServer(app, settings, limits or ConnectionLimits(Metrics(), total=10_000))
    async with app.router.lifespan_context(app):
        task = asyncio.create_task(server.serve())
        try:
            await wait_until(lambda: server.started or task.done(), "the server has started")
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            if (ingress := getattr(app.state, "ingress", None)) is not None:
                ingress.drain_status.begin()  # as a signal does: streams end
            server.leave.set()
            await task


def settings_with(**changes: Any) -> Settings:
    """Settings of a development server on a free port, untouched by the environment's."""
    base: dict[str, Any] = {
        "twilio_auth_token": TOKEN, "port": 0, "host": "127.0.0.1", "drain_timeout_seconds": 2,
        "public_base_url": None, "api_key": None, "environment": "development", "transfer_to": None,
    }  # fmt: skip
    return Settings(_env_file=None, **{**base, **changes})


StartIngress = Callable[..., AbstractAsyncContextManager[Ingress]]


@asynccontextmanager
async def started_ingress(
    *, agent: AgentFunction = parrot, timeouts: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[Ingress]:
    """An ingress with this agent, timeouts and settings."""
    settings = settings_with(**changes)
    opened: list[tuple[Runtime, InProcessDispatcher, FaultyStore]] = []

    @asynccontextmanager
    async def open_faulty(settings: Settings, events: IngressEvents) -> AsyncIterator[Runtime]:
        async with open_runtime(settings, events, agent=Agent("test", agent, isolation="inline")) as runtime:
            dispatcher = runtime.dispatcher
            assert isinstance(dispatcher, InProcessDispatcher)
            store = FaultyStore(dispatcher.store)
            dispatcher.store = store  # type: ignore[assignment]
            opened.append((runtime, dispatcher, store))
            yield runtime

    app = create_app(settings, open_runtime=open_faulty, timeouts=dataclasses.replace(PATIENT, **(timeouts or {})))
    async with serving(app, settings) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield Ingress(url, app, client, *opened[0])
