"""Headless Chromium, driven over its debugging protocol: what a person sees and does on a page."""

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from support.servers import die_with_parent
from support.waiting import wait_until
from websockets.asyncio.client import ClientConnection, connect

from orchestrator.tasks import cancel_and_wait

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(str(files("axe_core_python") / "axe.min.js"))
KEYS = {
    "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36, "ArrowUp": 38,
    "ArrowDown": 40, "/": 191,
}  # fmt: skip
"""Keys that tests press, with their codes."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--remote-debugging-port=0",
)  # fmt: skip


class Browser:
    """One page of a running browser. `complaints` are what the console and the page's policy said."""

    def __init__(self, socket: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._session: dict[str, str] = {}

    async def listen(self) -> None:
        """Take what the browser says, until cancelled or closed."""
        async for text in self._socket:
            message = json.loads(text)
            if (waiting := self._answers.pop(message.get("id", 0), None)) is not None:
                waiting.set_result(message)
            elif message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(message["params"]))

    async def send(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol; its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **self._session}))
        message = await asyncio.wait_for(answer, 60)
        assert "error" not in message, message
        return message["result"]

    async def begin(self) -> None:
        """Open an empty page."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")

    async def visit(self, url: str) -> None:
        """Go to `url`, and wait until it is there."""
        await self.send("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}", f"{url} is open")

    async def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the page this many CSS pixels."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip

    async def speak(self, language: str) -> None:
        """Be the browser of somebody who reads this language."""
        agent = await self.eval("navigator.userAgent")
        await self.send("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    async def forget(self) -> None:
        """Forget cookies: they are sent to every port of a host."""
        await self.send("Network.clearBrowserCookies")

    async def prefer(self, scheme: str) -> None:
        """`light` or `dark`."""
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it is: rule, and the elements."""
        await self.send("Page.setBypassCSP", enabled=True)  # the page's policy lets nothing in, and so not the engine
        await self.send("Runtime.evaluate", expression=AXE.read_text())
        found = await self.eval("axe.run(document).then(({violations}) => violations)")
        return [f"{v['id']}: {', '.join(' '.join(node['target']) for node in v['nodes'])}" for v in found]

    async def eval(self, expression: str) -> Any:
        """The value of an expression, as JSON."""
        result = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def text(self, selector: str = "body") -> str:
        """The text a person can see in the first match; "" without one."""
        return str(await self.eval(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def until(self, expression: str, what: str) -> None:
        """Wait until the expression holds."""

        async def holds() -> bool:
            return bool(await self.eval(expression))

        await wait_until(holds, what)

    async def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"Enter": "\r", " ": " ", "/": "/"}.get(key)
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=KEYS[key], **extra)

    async def write(self, text: str) -> None:
        """Type into what has the focus."""
        await self.send("Input.insertText", text=text)

    async def picture(self, path: Path) -> None:
        """Write what is seen to `path`, as PNG."""
        shot = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A browser with an empty profile, gone afterwards."""
    assert CHROMIUM is not None
    profile = tempfile.mkdtemp(prefix="va-browser-")
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank", stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        port_file = Path(profile) / "DevToolsActivePort"
        await wait_until(
            lambda: port_file.exists() and port_file.read_text().count("\n") == 1, "the browser listens", 60
        )
        port, path = port_file.read_text().split("\n")
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as socket:
            browser = Browser(socket)
            listening = asyncio.create_task(browser.listen())
            try:
                await browser.begin()
                yield browser
            finally:
                await cancel_and_wait(listening)
    finally:
        process.kill()
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)
