"""Whether agents can send text messages: the settings, and what the provider says of the number."""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.doctor.finding import Finding
from orchestrator.provider_api.client import ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.settings import Settings
from orchestrator.text_messages.addressing import missing_setting


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """What the provider says of `TWILIO_FROM_NUMBER`. `trouble` is why it does not say it, or "".

    `can_text` is None if the account has no such number.
    """

    can_text: bool | None = None
    trouble: str = ""


async def inspect_number(settings: Settings) -> NumberFacts | None:
    """Ask the provider. Return None if the settings do not allow to send messages anyway."""
    if missing_setting(settings) is not None:
        return None
    with ProviderApi(settings) as api:
        try:
            return NumberFacts(await api.can_text(settings.twilio_from_number or ""))
        except ProviderError as error:
            return NumberFacts(trouble=str(error))


def judge_text_messages(settings: Settings, number: NumberFacts | None) -> Iterator[Finding]:
    """Yield the findings. Nothing is said where neither an account nor a number is set: nobody wants to send."""
    if number is None:
        if settings.twilio_account_sid or settings.twilio_from_number:
            advice = missing_setting(settings) or ""
            yield Finding("messages", "note", "Agents can send no text messages.", advice)
    elif number.trouble:
        yield Finding(
            "messages", "warning", f"Whether text messages can be sent is not known. {number.trouble}",
            "Check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_API_BASE_URL, in workers as well as in web.",
        )  # fmt: skip
    elif number.can_text is None:
        yield Finding(
            "messages", "warning", "TWILIO_FROM_NUMBER is no number of the account: text messages from it are refused.",
            "Set it to a number that the account has bought.",
        )  # fmt: skip
    elif not number.can_text:
        advice = "Choose a number with the capability SMS."
        yield Finding("messages", "warning", "TWILIO_FROM_NUMBER sends no text messages.", advice)
    else:
        yield Finding("messages", "ok", "Agents can send text messages from TWILIO_FROM_NUMBER.")
