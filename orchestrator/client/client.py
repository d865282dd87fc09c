"""`Client`: each operation of the API as a method."""

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from orchestrator.client.server_events import ServerEvent, server_events
from orchestrator.client.transport import ANSWER_SECONDS, Transport
from orchestrator.client.turn_stream import StreamedPart, streamed_parts

EVENT_STREAM = "text/event-stream"
JSON_LINES = "application/jsonl"
Answer = dict[str, Any]


class Client:
    """Asks the server at `url`, with one of its API keys. An asynchronous context manager; safe to use from many tasks.

    Every method raises `ApiRefused`, with the server's sentence, or `ApiUnreachable`.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_seconds: float = ANSWER_SECONDS,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._transport = Transport(url, key, timeout_seconds=timeout_seconds, http=http)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    async def list_calls(self, limit: int = 100) -> Answer:
        """Return the active calls, newest first, and how many there are (`count`)."""
        return await self._get("/calls", limit=limit)

    async def call(self, call_sid: str) -> Answer:
        """Return the state of a call."""
        return await self._get(_call(call_sid))

    async def place_call(self, to: str, *, idempotency_key: str | None = None, **fields: Any) -> Answer:
        """Place a call. With an `idempotency_key` it is placed once, however often this is repeated."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return await self._post("/calls", {"to": to, **fields}, headers, may_repeat=idempotency_key is not None)

    async def end_call(self, call_sid: str, *, erase: bool = False) -> None:
        """End a call and delete its state; with `erase`, all that is known of it, everywhere."""
        await self._transport.json("DELETE", _call(call_sid), query={"erase": "true"} if erase else {})

    async def turn(self, call_sid: str, text: str = "", *, turn_id: str | None = None, **fields: Any) -> Answer:
        """Say something in a text conversation, and return the reply. The same `turn_id` gets the same reply."""
        body = _body(text=text, turn_id=turn_id, **fields)
        return await self._post(f"{_call(call_sid)}/turns", body, may_repeat=turn_id is not None)

    async def stream_turn(
        self, call_sid: str, text: str = "", *, turn_id: str | None = None, **fields: Any
    ) -> AsyncGenerator[StreamedPart, None]:
        """Say something, and yield the reply token by token; last, all of it. Use it in `async for`."""
        body, headers = _body(text=text, turn_id=turn_id, **fields), {"Accept": EVENT_STREAM}
        path = f"{_call(call_sid)}/turns"
        async with self._transport.opened("POST", path, body=body, headers=headers) as response:
            async for part in streamed_parts(response.aiter_lines()):
                yield part

    async def signal(self, call_sid: str, name: str, *, signal_id: str | None = None, **fields: Any) -> Answer:
        """Tell the agent of a live call something, and return its reply."""
        return await self._enter(call_sid, "signals", signal_id, name=name, **fields)

    async def say(self, call_sid: str, text: str, *, signal_id: str | None = None, **fields: Any) -> Answer:
        """Say something to the caller in the agent's place."""
        return await self._enter(call_sid, "say", signal_id, text=text, **fields)

    async def transfer(self, call_sid: str, to: str, *, signal_id: str | None = None, **fields: Any) -> Answer:
        """Connect the caller with somebody."""
        return await self._enter(call_sid, "transfer", signal_id, to=to, **fields)

    async def hang_up(self, call_sid: str, *, signal_id: str | None = None, **fields: Any) -> Answer:
        """End the call politely."""
        return await self._enter(call_sid, "hang-up", signal_id, **fields)

    async def events(self, **filters: Any) -> AsyncGenerator[Answer, None]:
        """Yield the deliveries of events that are pending or dead, page by page. Use it in `async for`."""
        async for delivery in self._pages("/events", "events", filters):
            yield delivery

    async def records(self, **filters: Any) -> AsyncGenerator[Answer, None]:
        """Yield the records that fit, without their turns, newest first. `from_` is the filter `from`."""
        async for record in self._pages("/records", "records", _named(filters)):
            yield record

    async def list_records(self, **filters: Any) -> Answer:
        """Return one page of records, and its `next_cursor`."""
        return await self._get("/records", **_named(filters))

    async def record(self, call_sid: str, *, started_at: str | None = None) -> Answer:
        """Return the whole record of a call: of its latest life, or of the one that began then."""
        return await self._get(f"/records/{quote(call_sid, safe='')}", started_at=started_at)

    async def export_records(self, **filters: Any) -> AsyncGenerator[str, None]:
        """Yield every record that fits, whole, as a line of JSON each."""
        headers = {"Accept": JSON_LINES}
        async with self._transport.opened("GET", "/records", query=_named(filters), headers=headers) as response:
            async for line in response.aiter_lines():
                yield line

    async def rollout(self) -> Answer:
        """Return the versions of the workers and the plan."""
        return await self._get("/rollout")

    async def change_rollout(self, command: str, **fields: Any) -> Answer:
        """Change the plan: `ramp`, `promote`, `roll-back` or `clear`."""
        return await self._post(f"/rollout/{command}", fields, may_repeat=False)

    async def processes(self) -> Answer:
        """Return every process of the deployment, also those that were lost in the last minutes."""
        return await self._get("/processes")

    async def live(self) -> AsyncGenerator[ServerEvent, None]:
        """Yield what goes on, as `GET /live` tells it: `overview` and `calls`. Use it in `async for`."""
        async with self._transport.opened("GET", "/live", headers={"Accept": EVENT_STREAM}) as response:
            async for event in server_events(response.aiter_lines()):
                yield event

    async def incidents(self, limit: int = 100, cursor: str | None = None) -> Answer:
        """Return what happened to processes and Redis, newest first, with the calls that noticed, and `next`."""
        return await self._get("/incidents", limit=limit, cursor=cursor)

    async def health(self) -> Answer:
        """Return the health in detail. One that is bad is an answer, too."""
        answer: Answer = await self._transport.json("GET", "/health/detailed", expects=503)
        return answer

    async def _get(self, path: str, **query: Any) -> Answer:
        answer: Answer = await self._transport.json("GET", path, query=query)
        return answer

    async def _post(
        self, path: str, body: Answer, headers: dict[str, str] | None = None, *, may_repeat: bool
    ) -> Answer:
        answer: Answer = await self._transport.json("POST", path, body=body, headers=headers, may_repeat=may_repeat)
        return answer

    async def _enter(self, call_sid: str, what: str, signal_id: str | None, **fields: Any) -> Answer:
        body = _body(signal_id=signal_id, **fields)
        return await self._post(f"{_call(call_sid)}/{what}", body, may_repeat=signal_id is not None)

    async def _pages(self, path: str, name: str, filters: dict[str, Any]) -> AsyncGenerator[Answer, None]:
        cursor: str | None = None
        while True:
            page = await self._get(path, **{**filters, "cursor": cursor})
            for item in page[name]:
                yield item
            if not (cursor := page["next_cursor"]):
                return


def _call(call_sid: str) -> str:
    return f"/calls/{quote(call_sid, safe='')}"


def _body(**fields: Any) -> Answer:
    """Return the fields that are given."""
    return {name: value for name, value in _named(fields).items() if value is not None}


def _named(fields: Answer) -> Answer:
    """Return the fields as the API names them: `from_` is `from`."""
    return {name.rstrip("_"): value for name, value in fields.items()}
