"""`voiceagent top` at a terminal: listens to the server and to the keys, and draws."""

import asyncio
import io
import signal
import sys
from contextlib import suppress
from typing import Any

from orchestrator.cli.colors import Colors
from orchestrator.cli.keyboard import unbuffered
from orchestrator.cli.screen import Screen, read_keys
from orchestrator.cli.top_frame import View, frame
from orchestrator.cli.top_state import LiveState
from orchestrator.cli.transcript import Transcript, printable
from orchestrator.client import ApiRefused, ApiUnreachable, Client
from orchestrator.clock import now
from orchestrator.conversation.state import ConversationState
from orchestrator.tasks import cancel_and_wait

EVERY_SECONDS = 1.0
"""Durations on the screen grow once a second."""
RECONNECT_SECONDS = 1.0
READING = ("Reading the call …",)
_STEPS = {"up": -1, "down": 1}


class TopSession:
    """Shows the deployment of `client` on this terminal until the person quits."""

    def __init__(self, client: Client, url: str) -> None:
        self._client = client
        self._url = url
        self._state = LiveState()
        self._view = View()
        self._screen = Screen(sys.stdout)
        self._changed = asyncio.Event()
        self._opened_version: Any = None
        self._wants_call = asyncio.Event()
        self._has_quit = False

    async def run(self) -> None:
        """Draw until the person quits. Raise `ClientError` if the server does not answer at all, or refuses."""
        loop = asyncio.get_running_loop()
        first = asyncio.create_task(self._listen_once(), name="live")
        await asyncio.wait({first}, timeout=0.3)  # so that a server that is not there is told on the usual screen
        if first.done():
            first.result()
        listening = asyncio.create_task(self._listen(first), name="events")
        reading = asyncio.create_task(self._read_opened(), name="call")
        with unbuffered(), self._screen.opened():
            loop.add_reader(sys.stdin.fileno(), read_keys, self._on_key)
            loop.add_signal_handler(signal.SIGWINCH, self._on_resize)
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._on_key, "quit")
            try:
                await self._draw_on(listening)
            finally:
                loop.remove_reader(sys.stdin.fileno())
                await cancel_and_wait(listening, reading)

    async def _draw_on(self, listening: "asyncio.Task[None]") -> None:
        while not self._has_quit:
            if listening.done():
                listening.result()
            self._wants_call.set()
            self._screen.draw(frame(self._state, self._view, self._url, self._screen.size, now()))
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._changed.wait()
            self._changed.clear()

    async def _listen(self, first: "asyncio.Task[None]") -> None:
        """Keep the state up to date, over lost connections. Raise `ApiRefused`."""
        task = first
        while True:
            try:
                await task
                self._view.trouble = "The server has ended the connection. Trying again …"
            except ApiUnreachable as error:
                if self._state.overview is None:
                    raise
                self._view.trouble = f"{error} Trying again …"
            self._changed.set()
            await asyncio.sleep(RECONNECT_SECONDS)
            task = asyncio.create_task(self._listen_once(), name="live")

    async def _listen_once(self) -> None:
        try:
            async for event in self._client.live():
                self._state.take(event)
                self._view.trouble = ""
                self._changed.set()
        finally:
            self._changed.set()

    async def _read_opened(self) -> None:
        """Read the call that is shown whenever it has changed."""
        while True:
            await self._wants_call.wait()
            self._wants_call.clear()
            call_sid = self._view.opened
            row = self._state.call(call_sid) if call_sid else None
            version = (call_sid, row.get("version") if row is not None else None)
            if call_sid and version != self._opened_version:
                self._opened_version = version
                lines = await self._transcript(call_sid)
                if self._view.opened == call_sid and lines:
                    self._view.transcript = lines
                    self._changed.set()

    async def _transcript(self, call_sid: str) -> list[str]:
        """Return what was said in the call as lines; why not, if nothing of it is shown yet; else none."""
        try:
            found = await self._client.call(call_sid)
            lines = Transcript(ConversationState.model_validate(found), Colors(io.StringIO())).lines()
        except (ApiRefused, ApiUnreachable, ValueError) as error:
            is_shown = self._view.transcript and self._view.transcript != READING
            return [] if is_shown else [printable(f"The call cannot be shown: {error}")]
        return [part for line in lines for part in line.split("\n")]

    def _on_key(self, key: str) -> None:
        sids = [str(call.get("call_sid")) for call in self._state.calls()]
        view = self._view
        match key:
            case "quit":
                self._has_quit = True
            case "back":
                view.opened, view.transcript, view.offset = "", (), 0
            case "enter" if not view.opened and view.chosen in sids:
                view.opened, view.transcript, view.offset = view.chosen, READING, 0
                self._opened_version = None
            case "up" | "down":
                view.move(_STEPS[key], sids)
            case "page up" | "page down":
                view.move(view.page if key == "page down" else -view.page, sids)
            case "home" | "end":
                view.move(len(sids) + len(view.transcript), sids) if key == "end" else view.move(-100_000, sids)
        self._changed.set()

    def _on_resize(self) -> None:
        self._screen.forget()
        self._changed.set()
