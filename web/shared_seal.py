"""The seal's key where `SEAL_KEY` is not set: made once, and shared by all ingresses through Redis.

An ingress that starts while Redis is down seals with a key of its own. When Redis is up, it publishes that key and
seals with the shared one. Until then it keeps what it cannot open (`Seal.knows`).
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from orchestrator.errors import StoreUnavailable
from orchestrator.seal_keys.exchange import SealKeyExchange
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait
from web.seal import Seal
from web.seal_keys import former_key
from web.store_call import store_call

FIRST_SECONDS = 2.0
"""How long a starting process waits for the key."""
ASK_SECONDS = 1.0
RETRY_SECONDS = 1.0
RENEW_SECONDS = 10.0
"""Between two exchanges: a Redis that was restarted, or failed over, may have lost the keys."""
LEARN_EVERY_SECONDS = 0.2
"""Between two exchanges that unknown seals cause: strangers can send as many as they like."""
UPGRADE_SECONDS = 900.0
"""How long after the first ingress of this version joined, an ingress of the previous version may still answer calls.
In that time its seals are opened, and its documents need no ticket."""


class SharedSeal:
    """Exchanges one process's seal keys with the others. `exchange` is None where this process is the only one."""

    def __init__(
        self,
        settings: Settings,
        seal: Seal,
        exchange: SealKeyExchange | None,
        *,
        renew_seconds: float = RENEW_SECONDS,
        learn_every_seconds: float = LEARN_EVERY_SECONDS,
    ) -> None:
        self._settings = settings
        self._seal = seal
        self._exchange = exchange
        self._renew_seconds = renew_seconds
        self._learn_every_seconds = learn_every_seconds
        self._upgraded_at = -math.inf
        self._exchanging = asyncio.Lock()
        self._exchanged_at = -math.inf
        self._has_exchanged = asyncio.Event()
        self._failure: StoreUnavailable | None = None

    @property
    def is_upgrading(self) -> bool:
        """True while an ingress of the previous version may still answer calls."""
        return asyncio.get_running_loop().time() < self._upgraded_at

    async def learn(self) -> None:
        """Read the keys of the other ingresses. Raise `StoreUnavailable` if they cannot be read."""
        if self._exchange is None or self._settings.seal_key is not None:
            return
        async with self._exchanging:
            if asyncio.get_running_loop().time() - self._exchanged_at >= self._learn_every_seconds:
                await self._exchange_keys(self._exchange)
        if self._failure is not None:
            raise self._failure

    @contextlib.asynccontextmanager
    async def sharing(self) -> AsyncIterator["SharedSeal"]:
        """Share the key while the block runs."""
        if self._exchange is None:
            yield self
            return
        self._seal.learn = self.learn
        sharing = asyncio.create_task(self._keep_sharing(self._exchange), name="share the seal's key")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await self._has_exchanged.wait()
        try:
            yield self
        finally:
            await cancel_and_wait(sharing, seconds=1)

    async def _keep_sharing(self, exchange: SealKeyExchange) -> None:
        while True:
            async with self._exchanging:
                await self._exchange_keys(exchange)
            await asyncio.sleep(RETRY_SECONDS if self._failure is not None else self._renew_seconds)

    async def _exchange_keys(self, exchange: SealKeyExchange) -> None:
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
            self._note_upgrade(UPGRADE_SECONDS - shared.age_seconds)
        self._exchanged_at = asyncio.get_running_loop().time()
        self._has_exchanged.set()

    def _note_upgrade(self, seconds: float) -> None:
        if seconds > 0 and self._upgraded_at == -math.inf:
            self._upgraded_at = asyncio.get_running_loop().time() + seconds
            self._seal.keys.open_former(former_key(self._settings), seconds)
