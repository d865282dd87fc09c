"""Loads the agent that `AGENT` names: a built-in one, or `package.module:object` for your own."""

import inspect
from functools import partial
from typing import Any, get_args

from orchestrator.agents.frameworks.options import FrameworkOptions
from orchestrator.agents.frameworks.recognition import framework_agent
from orchestrator.agents.protocol import Agent, AgentFunction, Isolation, Overlap
from orchestrator.agents.reply_text import ANSWER_SHARE
from orchestrator.error_location import described
from orchestrator.errors import BadAgent
from orchestrator.object_loading import description_of, is_object_name, load_object
from orchestrator.settings import Settings

NO_OPTIONS = FrameworkOptions()


def configured_agent(settings: Settings) -> Agent:
    """Return the agent that the settings name. Raise `BadAgent`, which says what is wrong."""
    if settings.agent == "llm":
        from orchestrator.agents.llm import load_model_agent

        return load_model_agent(settings)
    options = FrameworkOptions(settings.llm_history_characters, settings.agent_timeout_seconds * ANSWER_SHARE)
    can_text = bool(settings.twilio_from_number and settings.provider_credentials)
    number = settings.emergency_number
    return load_agent(settings.agent, settings.transfer_to, settings.time_zone, number, options, can_text=can_text)


def load_agent(
    name: str,
    transfer_to: str | None = None,
    time_zone: str | None = None,
    emergency_number: str = "911",
    options: FrameworkOptions = NO_OPTIONS,
    *,
    can_text: bool = False,
) -> Agent:
    """Return the agent that `name` means. `llm` takes more settings: see `configured_agent`.

    `echo` and `receptionist` are built in. `transfer_to` is where the receptionist connects callers who ask for a
    person, `time_zone` its office's (by default this machine's), `emergency_number` what it tells callers in danger to
    call, `can_text` whether it confirms bookings by text message. `package.module:object` is yours: an async generator
    function of `(turn, state)`, an object with such a method named `reply`, a class of such objects whose constructor
    takes no arguments, or an agent of a framework, which gets `options`. The current directory is importable. Raise
    `BadAgent`, which says what is wrong.
    """
    if name == "echo":
        from orchestrator.agents.echo import echo

        return Agent(name, echo, isolation="inline", speech_filter=False)
    if name == "receptionist":
        from orchestrator.agents.appointments.office_clock import office_clock
        from orchestrator.agents.receptionist import Receptionist

        receptionist = Receptionist(transfer_to, partial(office_clock, time_zone), emergency_number, can_text=can_text)
        return Agent(name, receptionist.reply, isolation="inline", speech_filter=False)
    if not is_object_name(name) or ":" not in name:
        raise BadAgent(f"AGENT={name!r} is not an agent. Use echo, receptionist, llm, or package.module:object.")
    return agent_of(name, load_object(name, "AGENT", BadAgent), options)


def agent_of(name: str, found: Any, options: FrameworkOptions = NO_OPTIONS) -> Agent:
    """Return the agent that `found` is: a function, an object, a class, an `Agent`, or an agent of a framework.

    Raise `BadAgent`.
    """
    if isinstance(found, Agent):
        return found
    made = _make(name, found) if inspect.isclass(found) else found
    carrier = framework_agent(name, made, options) or made
    reply: AgentFunction = _checked_reply(name, getattr(carrier, "reply", carrier))
    return Agent(
        name,
        reply,
        overlap=_choice(name, carrier, "overlap", get_args(Overlap), None),
        isolation=_choice(name, carrier, "isolation", get_args(Isolation), "thread"),
        interruptions=_choice(name, carrier, "interruptions", (False, True), False),
        speech_filter=_choice(name, carrier, "speech_filter", (False, True), True),
    )


def _make(name: str, found: type) -> Any:
    try:
        return found()
    except Exception as error:  # whatever the user's constructor raises
        made = f"AGENT={name}: calling {found.__name__}() without arguments failed"
        raise BadAgent(f"{made}: {described(error)}") from error


def _checked_reply(name: str, reply: Any) -> Any:
    if not inspect.isasyncgenfunction(reply):
        raise BadAgent(f"AGENT={name}: {_complaint(reply)}")
    try:
        inspect.signature(reply).bind("turn", "state")
    except TypeError:
        raise BadAgent(f"AGENT={name}: the agent must take two arguments, (turn, state).") from None
    return reply


def _complaint(reply: Any) -> str:
    what = description_of(reply)
    if inspect.iscoroutinefunction(reply):
        return f"{what} never yields. Yield what is to be said instead of returning it."
    if inspect.isgeneratorfunction(reply):
        return f"{what} is a plain generator. Write `async def`."
    if inspect.isroutine(reply):
        return f"{what} is not an async generator function. Write `async def`, and yield what is to be said."
    return f"{what} is not an agent. It must be an async generator function or have a method `reply` that is one."


def _choice(name: str, carrier: Any, attribute: str, choices: tuple[Any, ...], default: Any) -> Any:
    value = getattr(carrier, attribute, default)
    if value != default and value not in choices:
        raise BadAgent(f"AGENT={name}: {attribute} is {value!r}, and must be one of {', '.join(map(str, choices))}.")
    return value
