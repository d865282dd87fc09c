"""Who speaks in a document: the agent's name is in the query of the address that gets the answer."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from orchestrator.provider_simulator.twiml import Connect, Gather, Prompt, Redirect, Say, Verb

AGENT = "agent"
"""The field of the query, and the `<Parameter>` of a relay."""


def agent_after(verbs: Sequence[Verb]) -> str:
    """Return the name of the agent that has the call after this document; "" if it does not say."""
    for verb in verbs:
        match verb:
            case Connect(parameters=parameters) if AGENT in parameters:
                return parameters[AGENT]
            case Gather(action=str(address)) | Redirect(url=address):
                return parse_qs(urlsplit(address).query).get(AGENT, [""])[0]
    return ""


def with_speakers(verbs: Sequence[Verb], before: str, after: str) -> list[Verb]:
    """Return the document with the agent of each `<Say>`, of which `before` had the call until then.

    If the call was handed over within the document, the second agent has said its last words, and those before them
    with the same voice, if the voices differ.
    """
    says = [say for verb in verbs for say in _says(verb)]
    first = _first_of_second(says) if before and before != after else 0
    named = iter([replace(say, agent=before if i < first else after) for i, say in enumerate(says)])

    def filled(prompt: Prompt) -> Prompt:
        return next(named) if isinstance(prompt, Say) else prompt

    found: list[Verb] = []
    for verb in verbs:
        match verb:
            case Gather(prompts=prompts):
                found.append(replace(verb, prompts=tuple(filled(prompt) for prompt in prompts)))
            case Say():
                found.append(filled(verb))
            case _:
                found.append(verb)
    return found


def _says(verb: Verb) -> list[Say]:
    prompts = verb.prompts if isinstance(verb, Gather) else (verb,)
    return [prompt for prompt in prompts if isinstance(prompt, Say)]


def _first_of_second(says: Sequence[Say]) -> int:
    last = len(says) - 1
    first = last
    while first > 0 and _voice(says[first - 1]) == _voice(says[last]):
        first -= 1
    return first if first > 0 else max(last, 0)


def _voice(say: Say) -> tuple[str, str]:
    return say.voice, say.language
