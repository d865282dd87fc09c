"""The REST API: checks who asks, finds the resource, and answers or fails."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hmac import compare_digest

from orchestrator.provider_simulator.identity import EMPTY_ACCOUNT_SID
from orchestrator.provider_simulator.rest_api.calls import LiveCalls
from orchestrator.provider_simulator.rest_api.faults import Fault, Faults, FaultSource, Operation
from orchestrator.provider_simulator.rest_api.http_server import HttpAnswer, HttpRequest, serve_http
from orchestrator.provider_simulator.rest_api.messages import SentMessages
from orchestrator.provider_simulator.rest_api.phone_numbers import PhoneNumbers
from orchestrator.provider_simulator.rest_api.resources import Refusal, Resource, not_found

VERSION = "/2010-04-01/Accounts/"


class RestApi:
    """One account of the simulated provider.

    `auth_token` None accepts any credentials. `url` is where it is reached, once it is served.
    """

    def __init__(
        self,
        account_sid: str = EMPTY_ACCOUNT_SID,
        auth_token: str | None = None,
        *,
        fault_source: FaultSource | None = None,
    ) -> None:
        self.account_sid = account_sid
        self.url = ""
        self.calls = LiveCalls()
        self.messages = SentMessages(account_sid)
        self.numbers = PhoneNumbers(account_sid)
        self.requested: list[Operation] = []
        """Every request that had the right credentials, in order, failed ones included."""
        self._auth_token = auth_token
        self._faults = Faults(fault_source)

    def fail(self, operation: Operation, *faults: Fault) -> None:
        """Let the next requests of this kind fail so, one fault for each."""
        self._faults.add(operation, *faults)

    async def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """Answer a request; None loses it."""
        try:
            self._check_credentials(request)
            operation, carry_out, status = self._found(request)
        except Refusal as refusal:
            return _json(refusal.status, refusal.resource())
        self.requested.append(operation)
        return await self._answer(self._faults.take(operation), carry_out, status)

    async def _answer(self, fault: Fault, carry_out: Callable[[], Resource], status: int) -> HttpAnswer | None:
        answer = _json(status, {})
        if fault.carries_out:
            try:
                answer = _json(status, carry_out())
            except Refusal as refusal:
                answer = _json(refusal.status, refusal.resource())
        await fault.wait()
        if fault.is_lost:
            return None
        if fault.status:
            return _json(fault.status, Refusal(fault.status, fault.code, "The provider has trouble").resource())
        return answer

    def _check_credentials(self, request: HttpRequest) -> None:
        if self._auth_token is None:
            return
        wanted = base64.b64encode(f"{self.account_sid}:{self._auth_token}".encode()).decode()
        if not compare_digest(request.headers.get("authorization", "").encode(), f"Basic {wanted}".encode()):
            raise Refusal(401, 20003, "Authenticate")

    def _found(self, request: HttpRequest) -> tuple[Operation, Callable[[], Resource], int]:
        """Return what the request asks for, how it is carried out, and the status of success. Raise `Refusal`."""
        base = VERSION + self.account_sid + "/"
        resource, _, sid = request.path.removeprefix(base).removesuffix(".json").partition("/")
        if not request.path.startswith(base):
            raise not_found(request.path)
        form = request.form
        match request.method, resource, bool(sid):
            case "POST", "Calls", False:
                return "create_call", lambda: self.calls.create(form), 201
            case "GET", "Calls", True:
                return "fetch_call", lambda: self.calls.fetch(sid), 200
            case "POST", "Calls", True:
                return "update_call", lambda: self.calls.update(sid, form), 200
            case "POST", "Messages", False:
                return "create_message", lambda: self.messages.create(form), 201
            case "GET", "Messages", False:
                return "list_messages", lambda: self.messages.listing(dict(request.query)), 200
            case "GET", "IncomingPhoneNumbers", False:
                return "list_numbers", lambda: self.numbers.listing(dict(request.query)), 200
            case "GET", "Messages", True:
                return "fetch_message", lambda: self.messages.fetch(sid), 200
        raise not_found(request.path)


def _json(status: int, resource: Resource) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(resource).encode())


@asynccontextmanager
async def serve_rest_api(api: RestApi, port: int = 0) -> AsyncIterator[RestApi]:
    """Serve the API on this port of loopback (0: any free one) while the context lasts. Raise OSError."""
    async with serve_http(api.answer, port) as url:
        api.url = url
        yield api
