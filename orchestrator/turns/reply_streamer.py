"""Publishes a reply while it grows: the first words at once, then what was added while the last piece was sent."""

import asyncio
import logging

from orchestrator.conversation.actions import inline_actions
from orchestrator.conversation.reply import START
from orchestrator.errors import StoreUnavailable
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.messages import Piece
from orchestrator.turns.running_turn import RunningTurn
from orchestrator.turns.store import TurnStore

logger = logging.getLogger(__name__)


class ReplyStreamer:
    """Streams the reply of one running turn. A piece that cannot be sent is not retried: the result has all of it."""

    def __init__(self, store: TurnStore, running: RunningTurn) -> None:
        self._store = store
        self._running = running
        self._grown = asyncio.Event()
        self._task = asyncio.ensure_future(self._stream())

    def grown(self) -> None:
        """Note that the reply has more text or another action."""
        self._grown.set()

    async def close(self) -> None:
        """Stop. Text that was not sent yet is in the result."""
        await cancel_and_wait(self._task, seconds=1)

    async def _stream(self) -> None:
        claim, reply, sent = self._running.claim, self._running.reply, START
        while True:
            await self._grown.wait()
            await asyncio.sleep(0)  # a reply that is complete by now needs no pieces: its result follows at once
            self._grown.clear()
            text, actions = reply.text[sent.characters :], inline_actions(reply.actions)[sent.actions :]
            if not text and not actions:
                continue
            piece = Piece(sent, text, tuple(actions), claim.turn.interrupt)
            hides = self._running.sensitive
            published = piece if hides is None else hides.piece(piece)
            try:
                if not await self._store.publish(claim.lease, claim.turn.turn_id, published):
                    self._running.stop("lost")
                    return
            except StoreUnavailable:
                logger.debug("A piece of a reply was not sent", extra={"call_sid": claim.lease.call_sid})
            sent = piece.end
