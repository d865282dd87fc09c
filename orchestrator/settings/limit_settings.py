"""The settings of how much anybody may take: of the API, of calls, and of a system that is overloaded."""

from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import BaseSettings

from orchestrator.rate_limits.rate import Rate, rate_in


def _sound(value: str) -> str:
    rate_in(value)
    return value


RateText = Annotated[str, AfterValidator(_sound)]


class LimitSettings(BaseSettings):
    """Who may take how much. `Settings` has them, after those of the API's keys."""

    api_rate_limit: RateText = "6000/minute"
    caller_rate_limit: RateText = "600/minute"
    destination_rate_limit: RateText = "60/minute"

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
