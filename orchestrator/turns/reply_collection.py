"""Collects the reply of one running turn, until its agents have finished, failed, exceeded their deadline or been
stopped."""

import asyncio
import time

from orchestrator import clock
from orchestrator.agents.reply_run import ReplyRun
from orchestrator.conversation.actions import SCHEDULE_ACTIONS
from orchestrator.conversation.reply import Outcome
from orchestrator.errors import AgentProcessLost
from orchestrator.process_metrics import catalog
from orchestrator.schedule.limits import check_schedule
from orchestrator.tasks import cancel_and_wait, first_done
from orchestrator.turns import outcome as outcomes
from orchestrator.turns import turn_log
from orchestrator.turns.reply_streamer import ReplyStreamer
from orchestrator.turns.running_turn import RunningTurn, Stop
from orchestrator.turns.store import TurnStore

MOST_ACTIONS = 100


async def collect_reply(
    store: TurnStore, running: RunningTurn, reply_run: ReplyRun, deadline_seconds: float
) -> Outcome | Stop:
    """Run the agents, and add what they yield to the reply of `running`."""
    streamer = ReplyStreamer(store, running) if running.claim.streamed else None
    collecting = asyncio.create_task(_collect(running, reply_run, streamer))
    try:
        await first_done(collecting, running.stopped, seconds=deadline_seconds)
        if running.stopped.done():
            return running.stopped.result()
        if not collecting.done():
            turn_log.agent_failed(running, reply_run.agent.name, f"had not answered after {deadline_seconds:g} s")
            return "timed_out"
        error = collecting.exception()
        if isinstance(error, AgentProcessLost):
            raise error
        if error is not None:
            turn_log.agent_failed(running, reply_run.agent.name, "raised", error)
            return "failed"
        return "replied"
    finally:
        await cancel_and_wait(collecting)
        await reply_run.aclose()
        running.finished_at = clock.now()
        if streamer is not None:
            await streamer.close()


async def _collect(running: RunningTurn, reply_run: ReplyRun, streamer: ReplyStreamer | None) -> None:
    reply, began = running.reply, time.perf_counter()
    async for part in reply_run:
        if running.first_token_at is None and part:
            running.first_token_at = clock.now()
            catalog.AGENT_FIRST_TOKEN_SECONDS.observe(time.perf_counter() - began, reply_run.agent.name)
        if isinstance(part, str):
            running.speak(part)
            if len(reply.text) > outcomes.MOST_REPLY_CHARACTERS:
                raise ValueError(f"the reply is longer than {outcomes.MOST_REPLY_CHARACTERS} characters")
        else:
            reply.add(part)
            if len(reply.actions) > MOST_ACTIONS:
                raise ValueError(f"the reply has more than {MOST_ACTIONS} actions")
            if isinstance(part, SCHEDULE_ACTIONS):
                check_schedule(running.claim.state, running.claim.turn.turn_id, reply.actions)
        if streamer is not None:
            streamer.grown()
