"""Asks a person before something is gone for good."""

import sys

from orchestrator.errors import VoiceAgentError


class NobodyToAsk(VoiceAgentError):
    """Nobody can be asked here: add --yes."""


def agrees(question: str) -> bool:
    """Return what the person at the terminal answers; False if they end the input. Raise `NobodyToAsk`.

    The question goes to standard error: what a command prints may be read by a program.
    """
    if not sys.stdin.isatty():
        raise NobodyToAsk("Nobody can be asked here: add --yes, and what you name is gone for good.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")
