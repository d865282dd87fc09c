"""A colleague's side of a transfer: what they hear before they are connected, and what they press."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.provider_simulator.bad_twiml import BadTwiml
from orchestrator.provider_simulator.colleagues import Colleague
from orchestrator.provider_simulator.events import ColleagueHeard, ColleaguePressed, Event, Problem
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.listener import Answer, as_taken
from orchestrator.provider_simulator.playback import PlaybackSpeed
from orchestrator.provider_simulator.retries import PROVIDER_DEFAULT
from orchestrator.provider_simulator.twiml import parse
from orchestrator.provider_simulator.verbs import Gather, Hangup, Pause, Play, Prompt, Redirect, Say, Target, Verb
from orchestrator.provider_simulator.webhooks import Webhook, WebhookFailed, Webhooks

MOST_DOCUMENTS = 20
"""More documents for one colleague are a loop."""


@dataclass
class ColleagueLeg:
    """The call of one colleague who has answered. It has a SID of its own: `identity`."""

    target: Target
    colleague: Colleague
    identity: CallIdentity
    parent_call_sid: str
    webhooks: Webhooks
    webhook: Webhook
    """The request that brought the `<Dial>`: addresses are relative to it."""
    speed: PlaybackSpeed
    tell: Callable[[Event], Awaitable[None]]
    _announcement: str = ""

    async def accepts(self) -> bool:
        """Play the target's document to them. Return whether they may be connected: it came to its end."""
        if self.target.url is None:
            return self.colleague.behaviour == "answers"
        try:
            verbs = await self._fetch(self.target.url, {}, self.target)
            for _ in range(MOST_DOCUMENTS):
                following = await self._play(verbs)
                if following is None:
                    return True
                verbs = following
            raise BadTwiml(f"{MOST_DOCUMENTS} documents followed each other")
        except _HungUp:
            return False
        except (WebhookFailed, BadTwiml) as problem:  # they hear an error, and are not connected
            await self.tell(Problem(f"The announcement to {self.target.to} failed: {problem}"))
            return False

    async def _play(self, verbs: list[Verb]) -> list[Verb] | None:
        """Play a document. Return the one that follows, or None where it ends."""
        for verb in verbs:
            match verb:
                case Say() | Play() | Pause():
                    await self._prompt(verb)
                case Gather():
                    keys = await self._answer_to(verb)
                    if keys or verb.action_on_empty_result:
                        return await self._fetch(verb.action, Answer(keys=keys).form(), verb)
                case Redirect():
                    return await self._fetch(verb.url, {}, verb)
                case Hangup():
                    raise _HungUp
                case _:
                    raise BadTwiml(f"<{type(verb).__name__}> may not be played to somebody who is being rung")
        return None

    async def _prompt(self, prompt: Prompt) -> None:
        if isinstance(prompt, Say) and prompt.text:
            self._announcement += prompt.text + " "
            await self.tell(ColleagueHeard(self.target.to, prompt.text))

    async def _answer_to(self, gather: Gather) -> str:
        """Return the keys that they press; a colleague says nothing."""
        for prompt in gather.prompts:
            await self._prompt(prompt)
        keys = self.colleague.keys_after(self._announcement)
        taken = as_taken(gather, Answer(keys=keys)) if keys else None
        if taken is not None:
            await self.tell(ColleaguePressed(self.target.to, keys))
        return taken.keys if taken is not None else ""

    async def _fetch(
        self, reference: str | None, extra: dict[str, str], verb: Gather | Redirect | Target
    ) -> list[Verb]:
        form = self.identity.fields("in-progress", {"ParentCallSid": self.parent_call_sid, **extra})
        self.webhook = self.webhook.at(reference, form, verb.method)
        return parse(await self.webhooks.fetch(self.webhook, PROVIDER_DEFAULT, _no_retry_is_told))


class _HungUp(Exception):
    """Their document hangs up on them."""


async def _no_retry_is_told(_reason: str) -> None:
    pass
