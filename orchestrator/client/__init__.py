"""A client of the API, for programs in Python: `from orchestrator.client import Client`.

    async with Client("https://calls.example", key) as client:
        answer = await client.turn("demo-1", "hello", turn_id="t1")
        async for part in client.stream_turn("demo-1", "tell me a story"):
            print(part.token, end="")
        async for call in client.calls():
            print(call["call_sid"], call["turns"])

Answers are what the API describes at `/openapi.json`, as dicts.
"""

from orchestrator.client.client import Client
from orchestrator.client.errors import ApiRefused, ApiUnreachable, ClientError
from orchestrator.client.server_events import ServerEvent
from orchestrator.client.turn_stream import StreamedPart

__all__ = ["ApiRefused", "ApiUnreachable", "Client", "ClientError", "ServerEvent", "StreamedPart"]
