"""A number that a caller says in a sensitive turn, and everywhere it must not be found."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError
from support.servers import RedisServer


def traces(planted: str) -> list[bytes]:
    """The text as it is, as somebody may speak it, and in base64 wherever it begins."""
    text = planted.encode()
    spoken = [" ".join(planted).encode(), " ".join(planted[at : at + 4] for at in range(0, len(planted), 4)).encode()]
    encoded = [base64.b64encode(b"x" * begin + text)[4 if begin else 0 : -4] for begin in range(3)]
    return [text, *spoken, *encoded]


def is_in(content: bytes, planted: str) -> bool:
    return any(trace in content for trace in traces(planted))


class Published:
    """All that is published on a server while the context lasts, by channel."""

    def __init__(self, server: RedisServer) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._server = server

    @contextmanager
    def recorded(self) -> Iterator["Published"]:
        leave, listens = threading.Event(), threading.Event()

        def listen() -> None:
            while not leave.is_set():
                with (
                    suppress(ConnectionError),
                    Redis.from_url(self._server.url) as client,
                    client.pubsub() as listening,
                ):
                    listening.psubscribe("*")
                    while not leave.is_set():
                        message = listening.get_message(timeout=0.05)
                        if message is not None and message["type"] == "pmessage":
                            self.messages.append((message["channel"].decode(), message["data"]))
                        elif message is not None:
                            listens.set()
                leave.wait(0.05)  # the server is away

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        assert listens.wait(30)
        try:
            yield self
        finally:
            leave.set()
            thread.join(10)

    def find(self, planted: str) -> list[str]:
        return [channel for channel, content in self.messages if is_in(content, planted)]


def find_in_redis(server: RedisServer, planted: str) -> list[str]:
    """The keys, values and fields of the server that hold it."""
    with Redis.from_url(server.url) as client:
        return [str(key) for key in client.scan_iter(count=1000) if is_in(key + _value(client, key), planted)]


def find_in_files(directory: Path, planted: str) -> list[str]:
    """The files below a directory that hold it."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [str(path) for path in files if is_in(path.read_bytes(), planted)]


def _value(client: "Redis[Any]", key: bytes) -> bytes:
    read = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: list(client.smembers(key)),
        b"hash": lambda: list(client.hgetall(key).items()),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"stream": lambda: client.xrange(key),
    }
    return json.dumps(read[client.type(key)](), default=_text).encode()


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
