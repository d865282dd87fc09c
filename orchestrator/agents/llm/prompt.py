"""The system prompt: the model's job, the rules of the telephone, and the facts of the call."""

from datetime import datetime

from orchestrator.agents.telephone_rules import TELEPHONE_RULES

DEFAULT_PROMPT = """\
You answer the telephone of a small practice, and book appointments. Look up free times before you offer any, and \
offer two or three at most. Before you book, have the caller's name and the reason, read all of it back, and wait \
for a yes. When the caller has what they need, say goodbye and hang up."""


def system_prompt(prompt: str, now: datetime, from_number: str) -> str:
    """Return `prompt`, the rules of the telephone, and the facts of the call. `now` is the office's local time."""
    facts = f"Today is {now:%A, %d %B %Y}."
    if from_number:
        facts += f" The call comes from {from_number}."
    return f"{prompt}\n\n{TELEPHONE_RULES}\n\n{facts}"
