"""An action that an agent yields between words is carried out there, and not at the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from support.ingress import CALL
from support.relay import relay_socket
from support.waiting import wait_until

from orchestrator.conversation.actions import Play, SetLanguage, SetSpeech
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

SONG = "https://example.com/a.mp3"


async def test_frames_go_out_in_the_order_of_the_yields(start_ingress):
    async def guide(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield SetLanguage(speech="sv-SE")
        yield "Hej! "
        yield Play(SONG)
        yield SetSpeech(interruptible=False, preemptible=True, language="fr-FR")
        yield "Bonjour."

    async with start_ingress(agent=guide) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.frame() == {"type": "language", "ttsLanguage": "sv-SE"}
        assert await caller.reply() == "Hej! "
        assert (await caller.frame())["source"] == SONG
        chosen = {"interruptible": False, "preemptible": True, "lang": "fr-FR"}
        assert await caller.frame() == {"type": "text", "token": "Bonjour.", "last": False, **chosen}
        assert await caller.frame() == {"type": "text", "token": "", "last": True, **chosen}
        actions = (await ingress.state()).turns[0].reply.model_dump()["actions"]
    assert [action.get("at") for action in actions] == [0, 5, 5]


async def test_an_action_takes_effect_while_the_agent_still_works(start_ingress, gate):
    async def busy(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "One moment."
        yield Play(SONG)
        await gate.wait()
        yield "Here it is."

    async with start_ingress(agent=busy) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        assert await caller.reply() == "One moment."
        assert (await caller.frame())["type"] == "play"
        gate.set()
        assert await caller.reply() == "Here it is."


async def test_an_interruption_of_a_later_utterance_keeps_the_earlier_ones_and_the_language(start_ingress):
    async def guide(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "Now in Swedish. "
        yield SetLanguage(speech="sv-SE")
        yield "Hej och hallå."
        await asyncio.Event().wait()

    async with start_ingress(agent=guide) as ingress, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await caller.reply()
        assert (await caller.frame())["type"] == "language"
        assert (await caller.frame())["token"] == "Hej och hallå."
        await caller.send("info", name="agentSpeaking", value="off")
        await caller.send("interrupt", utteranceUntilInterrupt="Hej och", durationUntilInterruptMs=400)

        async def heard() -> bool:
            state = await ingress.state()
            return bool(state.turns) and state.turns[0].heard == "Now in Swedish. Hej och"

        await wait_until(heard, "what was heard is kept")
        assert [a.type for a in (await ingress.state()).turns[0].reply.actions] == ["set_language"]
