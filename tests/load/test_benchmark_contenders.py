"""What the load generators send, and to which tree."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from benchmarks.contenders.http_client import Connections
from benchmarks.contenders.web_turns import ApiTurns, Greetings, WebhookTurns
from benchmarks.processes import environment_of
from benchmarks.trees import PRESENT, NoSuchRevision, Tree, unpacked

TOKEN = "a-token"


class Server:
    """Answers every request on a socket, in two parts, and keeps what came."""

    def __init__(self, status: str = "200 OK", answer: str = '<Gather/>"outcome":"replied"') -> None:
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self._status = status
        self._answer = answer
        self._serving: list[asyncio.Task[None]] = []

    def answers(self, answer: str) -> None:
        """Answer so from now on."""
        self._answer = answer

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen on a port; its URL. The block closes its connections."""

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._serving.append(asyncio.create_task(self._serve(reader, writer)))

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with asyncio.timeout(60):
                await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            first, *lines = head.split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = (await reader.readexactly(int(headers["content-length"]))).decode()
            self.requests.append((first.split()[1], headers, body))
            head = f"HTTP/1.1 {self._status}\r\nContent-Length: {len(self._answer)}\r\n\r\n"
            writer.write((head + self._answer[:2]).encode())
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(self._answer[2:].encode())
        writer.close()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("API_KEY", "a-key")


async def test_webhooks_are_signed_and_numbered_and_follow_their_calls_greeting() -> None:
    server = Server()
    async with server.listening() as url:
        connections = Connections(url)
        line = WebhookTurns(connections, url)
        await line.prepare(4, 2, in_order=True)
        greeted = [dict(parse_qsl(body))["CallSid"] for path, _, body in server.requests]
        for number in range(4):
            await line(number % 2)
        connections.close()
    turns = server.requests[len(greeted) :]
    assert [path for path, _, _ in turns] == ["/twilio/turn/1", "/twilio/turn/1", "/twilio/turn/2", "/twilio/turn/2"]
    assert sorted(greeted) == sorted({dict(parse_qsl(body))["CallSid"] for _, _, body in turns})
    for path, headers, body in server.requests:
        form = dict(parse_qsl(body, keep_blank_values=True))
        assert RequestValidator(TOKEN).validate(url + path, form, headers["x-twilio-signature"])


async def test_callers_who_are_not_even_find_a_call_whenever_theirs_has_ended() -> None:
    server = Server()
    async with server.listening() as url:
        connections = Connections(url)
        api, voice = ApiTurns(connections), Greetings(connections, url)
        await api.prepare(40, 3, in_order=False)
        for number in range(40):
            await api(0 if number < 35 else number % 3)
        await voice.prepare(3, 3, in_order=False)
        for slot in range(3):
            await voice(slot)
        connections.close()
    assert len({path for path, _, _ in server.requests[:40]}) == 6
    assert server.requests[0][1]["authorization"] == "Bearer a-key"
    assert [path for path, _, _ in server.requests[40:]] == ["/twilio/voice"] * 3


async def test_a_refusal_is_an_error_of_the_load_generator() -> None:
    server = Server("403 Forbidden")
    async with server.listening() as url:
        connections = Connections(url)
        line = WebhookTurns(connections, url)
        with pytest.raises(RuntimeError, match="403 Forbidden"):
            await line.prepare(1, 1, in_order=True)
        connections.close()


@pytest.mark.parametrize("line", ["webhook", "voice", "api"])
async def test_an_answer_without_a_reply_is_an_error_of_the_load_generator(line: str) -> None:
    server = Server()
    async with server.listening() as url:
        connections = Connections(url)
        lines = {"webhook": WebhookTurns(connections, url), "voice": Greetings(connections, url)}
        asked = {**lines, "api": ApiTurns(connections)}[line]
        await asked.prepare(1, 1, in_order=True)
        server.answers('<Say>One moment please.</Say><Redirect>/twilio/turn/1/wait</Redirect>"outcome":"failed"')
        with pytest.raises(RuntimeError, match="One moment"):
            await asked(0)
        connections.close()


@pytest.mark.processes
async def test_a_program_of_an_older_tree_runs_that_trees_code() -> None:
    try:
        async with unpacked("HEAD") as tree:
            assert _imported_from(tree) == tree.directory.resolve()
        assert not tree.directory.exists()
    except NoSuchRevision as reason:
        pytest.skip(str(reason))
    assert _imported_from(PRESENT) == PRESENT.directory


@pytest.mark.processes
def test_what_is_measured_runs_the_byte_code_that_it_ran_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # each start would compile the tree again
    command = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    done = subprocess.run(command, env=environment_of(PRESENT), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_a_revision_that_the_history_lacks_is_named() -> None:
    with pytest.raises(NoSuchRevision, match="no revision 0123456789"):
        async with unpacked("0123456789"):
            pass


def _imported_from(tree: Tree) -> Path:
    command = [sys.executable, "-c", "import orchestrator; print(orchestrator.__file__)"]
    done = subprocess.run(command, cwd="/", env=environment_of(tree), capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).resolve().parents[1]
