"""The settings of the provider's REST API, through which messages are sent and live calls are changed."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from orchestrator.settings.checks import is_http_url
from orchestrator.settings.process_settings import ProcessSettings

SIMULATED_ACCOUNT = "AC" + "0" * 32
SIMULATED_TOKEN = "simulated"


class ProviderSettings(ProcessSettings):
    """What concerns the provider's REST API."""

    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_auth_token_secondary: SecretStr | None = Field(default=None, validate_default=True)
    twilio_api_base_url: str | None = None

    @property
    def has_simulated_provider(self) -> bool:
        """True if `TWILIO_API_BASE_URL` is on this machine and this is not production: a simulator answers there."""
        host = urlsplit(self.twilio_api_base_url or "").hostname or ""
        return _is_loopback(host) and not self.is_production

    @property
    def provider_credentials(self) -> tuple[str, str] | None:
        """Return the account's SID and its auth token, or None if the API cannot be used. Never log them.

        A simulated provider accepts any, so that webhooks need not be signed for its sake.
        """
        if self.twilio_account_sid and self.twilio_auth_token:
            return self.twilio_account_sid, self.twilio_auth_token.get_secret_value()
        if self.has_simulated_provider:
            return self.twilio_account_sid or SIMULATED_ACCOUNT, SIMULATED_TOKEN
        return None

    @field_validator("twilio_auth_token_secondary")
    @classmethod
    def _beside_the_first(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("twilio_auth_token") is None:
            raise ValueError("is set without TWILIO_AUTH_TOKEN: set that to the token in use")
        return value

    @field_validator("twilio_api_base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not is_http_url(value) or set(value) & set("?#@"):
            raise ValueError("must be the URL of an API, such as https://api.twilio.com")
        return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name
        return False
