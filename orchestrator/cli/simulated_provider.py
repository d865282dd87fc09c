"""The simulated provider of `voiceagent dev`: text messages and changes of live calls stay on this machine."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from orchestrator.cli.call_notes import note_of_message
from orchestrator.settings import Settings

OUR_NUMBER = "+15551234567"
"""The number that `voiceagent call` calls, unless it is told another."""


def is_wanted(settings: Settings) -> bool:
    """Return whether no real provider is configured: in production, never."""
    is_given = settings.model_fields_set & {"twilio_api_base_url", "twilio_account_sid"}
    return not (is_given or settings.is_production or settings.knows_a_provider or settings.has_public_url)


async def start(stack: AsyncExitStack, web_port: int, log: Callable[[str], None]) -> str | None:
    """Serve it on loopback until `stack` is closed. Return its URL, or None if its port is taken."""
    from orchestrator.provider_simulator.exchange import Exchange, exchange_port, serve_exchange

    exchange = Exchange(lambda message: log(note_of_message(message)))
    port = exchange_port(web_port)
    try:
        return await stack.enter_async_context(serve_exchange(exchange, port))
    except OSError as error:
        log(f"port {port} cannot be had ({error.strerror}): text messages fail, and no signal interrupts a question")
        return None


def environment(url: str, settings: Settings) -> dict[str, str]:
    """Return the variables by which web and workers find it, and the number that text messages come from."""
    return {"TWILIO_API_BASE_URL": url, "TWILIO_FROM_NUMBER": settings.twilio_from_number or OUR_NUMBER}
