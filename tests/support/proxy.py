"""A TCP proxy in front of Redis that does harm at will.

In a test: `async with FaultProxy(server.port) as proxy`. As a process of its own, so that its work does not
disturb whoever measures: `python -m support.proxy LISTEN TARGET`, with one command a line on standard
input (`cut`, `blackhole`, `refuse`, `delay 0.1`, `cut_before TEXT`, `cut_after TEXT`, `pass`); it ends with its input.
"""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from support.servers import die_with_parent, free_port

from orchestrator.redis.script_call import lua_script

SWALLOW_SECONDS = 0.05
ANSWER_SECONDS = 5.0
FIRST_BYTES = 1000
"""How much of what a connection has sent is kept, to know it by."""


def script(name: str) -> str:
    """What an EVALSHA of that script holds: its digest. For `cut_before` and `cut_after`."""
    return lua_script(name).sha


class FaultProxy:
    """Passes bytes on between its port and `target` on loopback, until told otherwise."""

    def __init__(self, target: int, *, port: int | None = None) -> None:
        self.target = target
        self.port = port or free_port()
        self.cuts = 0
        self._refusing = False
        self._open = asyncio.Event()
        self._open.set()
        self._delay = 0.0
        self._trap: tuple[bytes, bool] | None = None
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """For clients: `redis://127.0.0.1:port/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def trapped(self) -> bool:
        """Whether the trap that was set last has gone off."""
        return self._trap is None

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for link in list(self._links):
            link.abort()
        self.cuts += 1

    def blackhole(self) -> None:
        """From here on nothing arrives anywhere, and no connection is closed."""
        self._open.clear()

    def refuse(self) -> None:
        """Reset every connection, and every new one at once."""
        self._refusing = True
        self.cut()

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later, in both directions."""
        self._delay = seconds

    def deafen(self, text: str) -> None:
        """Pass nothing more on to the clients that have sent `text` in their first bytes, and close no connection."""
        for link in self._links:
            link.deaf = link.deaf or text.encode() in link.first_bytes

    def cut_before(self, text: str) -> None:
        """Reset the next connection that sends `text`, without passing it on."""
        self._trap = (text.encode(), False)

    def cut_after(self, text: str) -> None:
        """Pass on the next command with `text` in it, and reset the connection in place of its answer."""
        self._trap = (text.encode(), True)

    def heal(self) -> None:
        """Pass everything on again."""
        self._refusing, self._delay, self._trap = False, 0.0, None
        self._open.set()

    async def __aenter__(self) -> "FaultProxy":
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.heal()
        while self._links:
            self.cut()
            await asyncio.sleep(0.01)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._open.wait()
            if self._refusing:
                return
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return
        else:
            link = _Link(writer, there[1])
            self._links.add(link)
            try:
                await asyncio.gather(self._up(link, reader), self._down(link, there[0]), return_exceptions=True)
            finally:
                self._links.discard(link)
                link.abort()
        finally:
            writer.transport.abort()

    async def _up(self, link: "_Link", reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                link.first_bytes = (link.first_bytes + data)[:FIRST_BYTES]
                await self._hold()
                trap = self._trap
                if trap is not None and trap[0] in data:
                    self._trap = None
                    self.cuts += 1
                    if trap[1]:
                        link.deaf = True
                        link.there.write(data)
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(link.answered.wait(), ANSWER_SECONDS)
                        await asyncio.sleep(SWALLOW_SECONDS)  # perhaps it was the answer to an earlier command
                    break
                link.there.write(data)
        link.abort()

    async def _down(self, link: "_Link", reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._hold()
                if not link.deaf:
                    link.here.write(data)
                else:
                    link.answered.set()
        link.abort()

    async def _hold(self) -> None:
        await self._open.wait()
        if self._delay:
            await asyncio.sleep(self._delay)


class _Link:
    """One connection of a client, and the one it stands for."""

    def __init__(self, here: asyncio.StreamWriter, there: asyncio.StreamWriter) -> None:
        self.here = here
        self.there = there
        self.deaf = False
        self.answered = asyncio.Event()
        self.first_bytes = b""

    def abort(self) -> None:
        """Reset both."""
        self.here.transport.abort()
        self.there.transport.abort()


class ProxyProcess:
    """A `FaultProxy` in a process of its own; `tell` it what to do."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.proxy", str(self.port), str(target)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise AssertionError("the proxy did not start")

    @property
    def url(self) -> str:
        """For clients: `redis://127.0.0.1:port/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def tell(self, command: str) -> None:
        """One command, as the module says; `pass` ends everything but a `cut`."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        with self._process:  # closes the pipes, and waits
            pass


def _obey(proxy: FaultProxy, line: str) -> None:
    command, _, argument = line.strip().partition(" ")
    match command:
        case "delay":
            proxy.delay(float(argument))
        case "cut_before":
            proxy.cut_before(argument)
        case "cut_after":
            proxy.cut_after(argument)
        case "pass":
            proxy.heal()
        case _:
            {"cut": proxy.cut, "blackhole": proxy.blackhole, "refuse": proxy.refuse}[command]()


async def _serve(port: int, target: int) -> None:
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async with FaultProxy(target, port=port) as proxy:
        print("ready", flush=True)  # noqa: T201
        while line := await commands.readline():
            _obey(proxy, line.decode())


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
