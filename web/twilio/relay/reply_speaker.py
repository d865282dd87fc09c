"""Speaks one reply as it is produced, unless the caller's words interrupt it."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing

from orchestrator.conversation.actions import LEAVING_ACTIONS, Action, Gather, SetLanguage
from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.hub import CUT_OFF
from orchestrator.dispatch.pending_reply import PendingReply
from web.twilio.relay import outbound_frames
from web.twilio.relay.connection import RelayConnection
from web.twilio.relay.output_gate import OutputGate
from web.twilio.relay.playout_clock import PlayoutClock
from web.twilio.relay.relay_voice import RelayVoice, hands_over_only
from web.twilio.relay.reply_metrics import ReplyMetrics
from web.twilio.relay.spoken_reply import Part, SpokenReply
from web.twilio.relay.utterances import Utterances

INTERRUPT_POLICY = "interrupt"
"""The overlap policy of an agent whose reply stops when its caller speaks."""

Replace = Callable[[SpokenReply], Awaitable[PendingReply | None]]
EndSession = Callable[[Action, str], Awaitable[None]]


class ReplySpeaker:
    """Speaks replies over `connection`, one at a time. `end_session` carries out a reply's ending. It begins
    no reply before `nothing_missed` returns.

    See `Playout` for the rest.
    """

    def __init__(
        self,
        connection: RelayConnection,
        utterances: Utterances,
        clock: PlayoutClock,
        voice: RelayVoice,
        metrics: ReplyMetrics,
        gate: OutputGate,
        *,
        nothing_missed: Callable[[], Awaitable[None]],
        replace: Replace,
        on_result: Callable[[SpokenReply, TurnResult], None],
        end_session: EndSession,
        stall_seconds: float,
    ) -> None:
        self._connection = connection
        self._utterances = utterances
        self._clock = clock
        self._voice = voice
        self._metrics = metrics
        self._gate = gate
        self._nothing_missed = nothing_missed
        self._replace = replace
        self._on_result = on_result
        self._end_session = end_session
        self._stall_seconds = stall_seconds
        self._overlap: str | None = None
        self.talked_over: list[SpokenReply] = []
        """Replies that ended because the caller had spoken, of which the store may not know yet."""

    async def speak(self, reply: SpokenReply) -> None:
        """Speak and carry out all of a reply. Raises `ConnectionLost`."""
        async with aclosing(reply.parts(self._check_stalled, self._stall_seconds)) as parts:
            async for part in parts:
                if await self._may_send(reply, part):
                    await self._utterances.send(reply, part)
        result = reply.pending.result
        assert result is not None, "parts end with the result"
        self._overlap = result.overlap or self._overlap
        self._on_result(reply, result)
        self._voice.finished(reply, result.reply)
        self._metrics.answered(reply)
        await self._utterances.end(reply)
        if result.outcome in CUT_OFF or self._was_interrupted(reply):
            if reply.is_talked_over and result.outcome not in CUT_OFF:
                self.talked_over.append(reply)
            reply.is_complete = True
            return
        is_empty = not reply.said and (not reply.actions_done or hands_over_only(result.reply.actions))
        if is_empty and reply.turn is not None and reply.turn.kind != "interrupted":
            await self._connection.send(outbound_frames.text("", is_last=True))
        if reply.interrupts and not reply.said:
            self._clock.all_spoken()  # an ending waits for nothing then
        await self.carry_out(reply, result.reply.actions)
        reply.is_complete = True

    async def _may_send(self, reply: SpokenReply, part: Part) -> bool:
        """Wait until the output is not paused. True if the part is to be sent.

        It is not if the reply it comes from was replaced meanwhile, or the agent was interrupted. A language is set
        even then, because it applies to what follows.
        """
        pending = reply.pending
        if reply.is_untouched:
            await self._nothing_missed()
        if reply.is_unprompted and reply.is_untouched and not reply.interrupts:
            await self._clock.wait_spoken()  # a caller who talks over that has heard none of this
        await self._wait_until_clear(reply)
        if reply.is_unprompted and reply.is_untouched:
            reply.is_gated = False  # what the caller has said by now was not about this
        return reply.pending is pending and (not self._was_interrupted(reply) or isinstance(part, SetLanguage))

    async def _wait_until_clear(self, reply: SpokenReply) -> None:
        """Wait until it is known whether the reply is interrupted by what the caller has said since.

        That takes the gate's time at most, unless the agent is known to stop when its caller speaks. Then wait for the
        result: the worker may merely not know of the words yet.
        """
        if not reply.is_gated:
            return
        await self._gate.wait_clear(reply.pending)
        pending = reply.pending
        while reply.may_be_cut_off and self._overlap == INTERRUPT_POLICY and reply.pending is pending:
            if pending.result is not None or await pending.wait(self._stall_seconds) is not None:
                return
            await self._check_stalled(reply)

    async def _check_stalled(self, reply: SpokenReply) -> None:
        replacement = await self._replace(reply)
        if replacement is not None:
            reply.pending = replacement

    @staticmethod
    def _was_interrupted(reply: SpokenReply) -> bool:
        """True if nothing more of the reply is said: its run was stopped, or the caller talked over a finished reply.

        The latter counts only for an agent that stops when its caller speaks. A reply that hangs up or transfers is
        said in any case, so that the caller knows what happens.
        """
        result = reply.pending.result
        if result is None or result.outcome == "interrupted":
            return result is not None
        return reply.is_talked_over and result.overlap == INTERRUPT_POLICY and not result.reply.leaves

    async def carry_out(self, reply: SpokenReply, actions: Iterable[Action]) -> None:
        """Carry out those of a reply's actions that wait for the end of its text. Raises `ConnectionLost`."""
        for action in actions:
            if isinstance(action, LEAVING_ACTIONS):
                reply.ending = action
                await self._end_session(action, reply.turn_id)
                return
            if isinstance(action, Gather) and (frame := outbound_frames.action_frame(action)) is not None:
                await self._connection.send(frame)
