"""Twilio's REST API for calls on loopback, as far as it is used: place one, end one, and fail on demand."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.ingress import TOKEN, serving, settings_with

ACCOUNT = "AC" + "1" * 32


@dataclass
class TwilioApi:
    """`placed` and `updated` hold the forms that came; `trouble` answers instead of us; `gate` holds answers back."""

    url: str = ""
    token: str = TOKEN
    placed: list[dict[str, list[str]]] = field(default_factory=list)
    updated: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    trouble: Response | None = None
    gate: asyncio.Event | None = None
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    async def create(self, request: Request) -> Response:
        """`POST /2010-04-01/Accounts/{AccountSid}/Calls.json`."""
        form = parse_qs((await request.body()).decode(), keep_blank_values=True)
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self.placed.append(form)
        if self.gate is not None:
            await self.gate.wait()
        return self._call(f"CA{next(self.numbers):032x}", "queued", 201)

    async def update(self, request: Request) -> Response:
        """`POST /2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}.json`."""
        form = parse_qs((await request.body()).decode())
        if (refusal := self._refusal(request)) is not None:
            return refusal
        call_sid = request.path_params["file"].removesuffix(".json")
        self.updated.append((call_sid, form))
        return self._call(call_sid, form["Status"][0], 200)

    def refuse(self, status: int, code: int, message: str) -> None:
        """From here on, answer as Twilio does when it refuses."""
        body = {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}"}
        self.trouble = JSONResponse({**body, "status": status}, status)

    def _refusal(self, request: Request) -> Response | None:
        wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != wanted or request.path_params["account"] != ACCOUNT:
            return JSONResponse({"code": 20003, "message": "Authenticate", "status": 401}, 401)
        return self.trouble

    def _call(self, call_sid: str, status: str, http_status: int) -> Response:
        return JSONResponse({"sid": call_sid, "account_sid": ACCOUNT, "status": status}, http_status)


@asynccontextmanager
async def twilio_api(token: str = TOKEN) -> AsyncIterator[TwilioApi]:
    """The API, served, for the account with this auth token."""
    api = TwilioApi(token=token)
    base = "/2010-04-01/Accounts/{account}/Calls"
    routes = [
        Route(base + ".json", api.create, methods=["POST"]),
        Route(base + "/{file}", api.update, methods=["POST"]),
    ]
    async with serving(Starlette(routes=routes), settings_with()) as url:
        api.url = url
        yield api
