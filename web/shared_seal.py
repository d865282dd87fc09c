"""The seal's key where none is set: made once, and shared by all ingresses through Redis.

An ingress that starts while Redis is away seals with a key of its own. When Redis is there, it tells the others that
key and takes theirs. What it cannot open until then it does not throw away (`Seal.knows`).
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator

from orchestrator.errors import StoreUnavailable
from orchestrator.seal_keys.exchange import SealKeyExchange
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait
from web.seal import Seal
from web.seal_keys import former_key
from web.store_call import store_call

logger = logging.getLogger(__name__)

FIRST_SECONDS = 2.0
"""So long a process that starts waits for the key."""
ASK_SECONDS = 1.0
RETRY_SECONDS = 1.0
RENEW_SECONDS = 10.0
"""A Redis that was restarted, or failed over, may have forgotten what it was told."""
LEARN_EVERY_SECONDS = 0.2
"""How often strangers' seals make this process look for further keys."""
SWITCH_SECONDS = 900.0
"""For so long after the first ingress of this version has joined, some of the version before may still be there: what
it has sealed is opened, and what its documents lack is not asked for."""


class SharedSeal:
    """One process's part. `exchange` is None where this process is the only one, and nothing is shared."""

    def __init__(self, settings: Settings, seal: Seal, exchange: SealKeyExchange | None) -> None:
        self._settings = settings
        self._seal = seal
        self._exchange = exchange
        self._switched_at = -math.inf
        self._asking = asyncio.Lock()
        self._asked_at = -math.inf
        self._has_asked = asyncio.Event()
        self._failure: StoreUnavailable | None = None

    @property
    def is_switching(self) -> bool:
        """Whether an ingress of the version before may still be there."""
        return asyncio.get_running_loop().time() < self._switched_at

    async def learn(self) -> None:
        """Look which keys the others have. Raises `StoreUnavailable`, if that says nothing yet about any of them."""
        if self._exchange is None or self._settings.seal_key is not None:
            return
        async with self._asking:
            if asyncio.get_running_loop().time() - self._asked_at >= LEARN_EVERY_SECONDS:
                await self._ask(self._exchange)
        if self._failure is not None:
            raise self._failure

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator["SharedSeal"]:
        """Share the key for as long as the block lasts."""
        if self._exchange is None:
            yield self
            return
        self._seal.learn = self.learn
        keeping = asyncio.create_task(self._keep(self._exchange), name="share the seal's key")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await self._has_asked.wait()
        try:
            yield self
        finally:
            await cancel_and_wait(keeping, seconds=1)

    async def _keep(self, exchange: SealKeyExchange) -> None:
        while True:
            async with self._asking:
                await self._ask(exchange)
            await asyncio.sleep(RETRY_SECONDS if self._failure is not None else RENEW_SECONDS)

    async def _ask(self, exchange: SealKeyExchange) -> None:
        is_set = self._settings.seal_key is not None
        keys = self._seal.keys
        try:
            shared = await store_call(
                exchange.exchange("" if is_set else keys.current, () if is_set else keys.used), ASK_SECONDS
            )
        except StoreUnavailable as error:
            self._failure = error
        else:
            self._failure = None
            if shared.current and not is_set:
                keys.adopt(shared.current, shared.others)
            self._switch(SWITCH_SECONDS - shared.age_seconds)
        self._asked_at = asyncio.get_running_loop().time()
        self._has_asked.set()

    def _switch(self, seconds: float) -> None:
        if seconds > 0 and self._switched_at == -math.inf:
            self._switched_at = asyncio.get_running_loop().time() + seconds
            self._seal.keys.open_former(former_key(self._settings), seconds)
