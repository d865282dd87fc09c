"""Everything that a run needs: a deployment with every sink and exporter on, and what stands around it."""

import base64
import secrets
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from canaries.plan import ROUTES
from canaries.script import TOLD_FILE
from soak.message_audit import text_provider
from soak.sinks import Sinks
from support.deployment import Deployment
from support.model_server import Answer, ModelServer, says
from support.otlp_collector import OtlpCollector

from orchestrator.api_keys.key import new_key

REDIS = (
    "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no",
    "--auto-aof-rewrite-percentage", "0", "--rdbcompression", "no",
)  # fmt: skip
"""The append-only file has everything that was ever written, as it was sent; the snapshot is as readable."""
MODEL_NAME = "canaries"


class _Answers(list[Answer]):
    """Answers of a model that never run out."""

    def __init__(self) -> None:
        super().__init__([says("All right. ", "Go on.")])

    def pop(self, *_: Any) -> Answer:
        return self[0]


class Stage:
    """A context manager. With `encrypts`, the processes have a key of `STATE_ENCRYPTION_KEYS`.

    `began` is when the first secret may have been told (Unix seconds): no file that is older can have one.
    """

    def __init__(self, seed: int, *, encrypts: bool) -> None:
        self.sinks = Sinks(Random(f"{seed}/sinks"))
        self.model = ModelServer(keeps_connections=False)
        self.model.answers[MODEL_NAME] = _Answers()
        self.collector = OtlpCollector()
        self.read_secret, self._read_key = new_key("reader", ["read"])
        self._encrypts = encrypts
        self._seed = seed
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        aside = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="va-canaries-")))
        self.told_file, routes = aside / "told", aside / "routes.toml"
        self.told_file.touch()
        routes.write_text(ROUTES)
        await self._stack.enter_async_context(self.sinks)
        self.began = time.time()
        self.texts = await self._stack.enter_async_context(text_provider(Random(f"{self._seed}/texts")))
        await self._stack.enter_async_context(self.model)
        self._stack.enter_context(self.collector)
        settings = self._settings | {"ROUTES": str(routes), TOLD_FILE: str(self.told_file)}
        self.deployment = Deployment(webs=2, relays=1, workers=2, redis=REDIS, **settings)
        await self._stack.enter_async_context(self.deployment)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        shutil.rmtree(self.deployment.directory, ignore_errors=True)

    @property
    def _settings(self) -> dict[str, str]:
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        return {
            **self.sinks.settings, **self.texts.settings, "AGENT": "canaries.script:reply", "LOG_LEVEL": "INFO",
            "AGENT_PROCESSES": "1",
            "AGENT_TIMEOUT_SECONDS": "45",  # processes start late on a busy machine; a late turn is no dead one
            "API_KEYS": self._read_key.entry, "SEAL_KEY": secrets.token_urlsafe(32),
            "LLM_MODEL": MODEL_NAME, "LLM_BASE_URL": self.model.url, "LLM_API_KEY": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200",
            **({"STATE_ENCRYPTION_KEYS": key} if self._encrypts else {}),
        }  # fmt: skip
