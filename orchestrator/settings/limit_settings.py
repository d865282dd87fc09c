"""The settings of how much anybody may take: of the API, of calls, and of a system that is overloaded."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.rate_limits.rate import OFF, Rate, rate_in

LEAST_SHED_SECONDS = 0.1
MOST_SHED_SECONDS = 3600


def _sound(value: str) -> str:
    rate_in(value)
    return value


def _seconds(value: object) -> object:
    text = str(value).strip().lower()
    if text == OFF:
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEAST_SHED_SECONDS <= seconds <= MOST_SHED_SECONDS:
        raise ValueError(f"must be a number of seconds from {LEAST_SHED_SECONDS} to {MOST_SHED_SECONDS}, or {OFF}")
    return seconds


RateText = Annotated[str, AfterValidator(_sound)]

ShedSeconds = Annotated[float | Literal["off"], BeforeValidator(_seconds)]


class LimitSettings(BaseSettings):
    """Who may take how much. `Settings` has them, after those of the API's keys."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is made

    api_rate_limit: RateText = "6000/minute"
    caller_rate_limit: RateText = "600/minute"
    destination_rate_limit: RateText = "60/minute"
    shed_after_seconds: ShedSeconds = 20.0

    @property
    def api_rate(self) -> Rate | None:
        """Return how many requests a key of the API may send to a process; None: any number."""
        return rate_in(self.api_rate_limit)

    @property
    def caller_rate(self) -> Rate | None:
        """Return how many calls may come from one number; None: any number."""
        return rate_in(self.caller_rate_limit)

    @property
    def destination_rate(self) -> Rate | None:
        """Return how many calls may be placed to one number; None: any number."""
        return rate_in(self.destination_rate_limit)

    @property
    def shed_after(self) -> float | None:
        """Return for how many seconds a turn may wait for a worker until new calls are refused; None: for ever."""
        return None if self.shed_after_seconds == OFF else float(self.shed_after_seconds)
