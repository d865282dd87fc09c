"""Each of our sinks keeps the contract."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.webhook_receiver import WebhookReceiver

from orchestrator.events.event import Event
from orchestrator.events.sinks.json_lines import JsonLinesSink
from orchestrator.events.sinks.sink import Sink
from orchestrator.events.sinks.webhook import WebhookSink
from orchestrator.testing.sink_contract import SinkContract


class TestWebhookSink(SinkContract):
    """A webhook is told at least once. Its receiver drops the ids that it knows, as the specification asks it to."""

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Sink]:
        async with WebhookReceiver() as self.receiver:
            sink = self.another()
            yield sink
            await sink.close()

    async def kept(self) -> Sequence[Event]:
        events = [Event.model_validate_json(request.body) for request in self.receiver.received]
        return list({event.id: event for event in events}.values())

    def another(self) -> WebhookSink:
        return WebhookSink(self.receiver.url, ["whsec_" + "c2VjcmV0" * 4], allow_private=True)


class TestJsonLinesSink(SinkContract):
    @pytest.fixture
    async def sink(self, tmp_path: Path) -> AsyncIterator[Sink]:
        self.path = tmp_path / "events.jsonl"
        sink = self.another()
        yield sink
        await sink.close()

    async def kept(self) -> Sequence[Event]:
        return [Event.model_validate(json.loads(line)) for line in self.path.read_bytes().split(b"\n")[:-1]]

    def another(self) -> JsonLinesSink:
        return JsonLinesSink(self.path)


class TestPostgresSink(SinkContract):
    @pytest.fixture
    async def sink(self, records: Any, records_url: str) -> AsyncIterator[Sink]:
        self.records, self.url = records, records_url
        sink = self.another()
        yield sink
        await sink.close()

    async def kept(self) -> Sequence[Event]:
        rows = await self.records.fetch("SELECT * FROM voiceagent_events ORDER BY kept_at, seq")
        return [
            Event(id=row["id"], type=row["type"], timestamp=written(row["occurred_at"]), data=json.loads(row["data"]))
            for row in rows
        ]

    def another(self) -> Sink:
        from orchestrator.events.sinks.postgres import PostgresSink

        return PostgresSink(self.url)


def written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
