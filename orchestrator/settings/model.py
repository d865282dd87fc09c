"""The settings, read once from the environment (and `.env`) and passed to constructors."""

import os
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from orchestrator.destinations import destination, region_of
from orchestrator.dial_allow import dial_prefixes
from orchestrator.errors import BadSetting
from orchestrator.settings.api_key_settings import ApiKeySettings
from orchestrator.settings.checks import (
    BareHost,
    DialPrefixes,
    DottedName,
    Ed25519Key,
    EmergencyNumber,
    ExistingFile,
    ServerUrl,
    TimeZone,
)
from orchestrator.settings.complaints import complaint, without_credentials
from orchestrator.settings.encryption_settings import EncryptionSettings
from orchestrator.settings.event_settings import EventSettings
from orchestrator.settings.limit_settings import LimitSettings
from orchestrator.settings.mcp_servers import mcp_servers
from orchestrator.settings.provider_settings import ProviderSettings
from orchestrator.settings.public_url import public_base_url
from orchestrator.settings.redis_url import parse_redis_url
from orchestrator.settings.route_settings import RouteSettings
from orchestrator.settings.sources import SERVICE_LINK, Environment, linked_port
from orchestrator.settings.voice_settings import VoiceSettings

SHORTEST_SEAL_KEY = 32
"""Characters."""
LONGEST_TTL_SECONDS = 10 * 365 * 24 * 3600
"""Redis counts milliseconds in 64 bits; ten years are enough."""


class Settings(
    EventSettings, VoiceSettings, RouteSettings, EncryptionSettings, LimitSettings, ApiKeySettings, ProviderSettings
):
    """All settings; each is the environment variable of the same name in upper case. Immutable."""

    model_config = SettingsConfigDict(
        defer_build=False,  # of those that it is made of, none is needed by itself
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    use_redis: bool = False
    redis_url: SecretStr | None = None  # first: what it overrides is not validated
    redis_host: BareHost = "localhost"
    redis_port: int = Field(default=6379, ge=1, le=65535)
    redis_db: int = Field(default=0, ge=0)
    redis_password: SecretStr | None = None
    redis_ssl: bool = False
    redis_wait_replicas: int = Field(default=0, ge=0)
    redis_wait_ms: int = Field(default=100, ge=1)
    redis_rollout_percent: float = Field(default=100, ge=0, le=100)
    redis_ca_file: ExistingFile | None = None
    redis_cert_file: ExistingFile | None = None
    redis_key_file: ExistingFile | None = Field(default=None, validate_default=True)

    state_ttl_seconds: int = Field(default=3600, ge=1, le=LONGEST_TTL_SECONDS)
    ended_call_ttl_seconds: int = Field(default=900, ge=1, le=LONGEST_TTL_SECONDS)
    state_manager: DottedName | None = None
    agent: str = "receptionist"
    agent_timeout_seconds: float = Field(default=20, gt=0)
    agent_processes: int = Field(default=4, ge=1)
    twilio_from_number: str | None = None  # before TRANSFER_TO: the country of a number without one
    transfer_to: str | None = None
    time_zone: TimeZone | None = None
    emergency_number: EmergencyNumber = "911"
    dial_allow: DialPrefixes | None = None

    llm_model: str | None = None
    llm_base_url: ServerUrl | None = None
    llm_api_key: SecretStr | None = None
    llm_prompt: str | None = None
    llm_prompt_file: str | None = Field(default=None, validate_default=True)
    llm_fallback_model: str | None = None
    llm_first_token_seconds: float = Field(default=1.5, gt=0)
    llm_history_characters: int = Field(default=24_000, ge=1000)
    llm_tools: str | None = None
    llm_mcp_servers: str | None = None
    llm_sees_sensitive: bool = False

    telnyx_public_key: Ed25519Key | None = None
    signalwire_signing_key: SecretStr | None = None
    public_base_url: str | None = None
    render_external_url: str | None = None
    voice_channel: Literal["gather", "relay"] = "gather"
    relay_reconnect: Literal["auto", "off"] = "auto"
    seal_key: SecretStr | None = None
    max_active_calls: int | None = Field(default=None, ge=1)
    api_max_active_calls: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _tidied(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values without surrounding blanks; what Render sets replaces what is not set."""
        tidy = {name: v.strip() if isinstance(v, str) else v for name, v in values.items()}
        tidy = {name: v for name, v in tidy.items() if v != ""}
        if str(tidy.get("render", "")).lower() in ("true", "1"):
            tidy.setdefault("environment", "production")
        if "render_external_url" in tidy:
            tidy.setdefault("public_base_url", tidy["render_external_url"])
        link = tidy.pop(SERVICE_LINK, None)
        if link and (port := linked_port(link, tidy.get("redis_host"))):
            tidy.setdefault("redis_port", port)
        return tidy

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings; the first has precedence."""
        return init_settings, Environment(settings_cls), dotenv_settings, file_secret_settings

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, without_credentials(value) if isinstance(value, str) else value

    @field_serializer("llm_base_url", "render_external_url", "transfer_to", when_used="json")
    def _shown(self, value: str | None) -> str | None:
        return without_credentials(value) if value is not None else None

    @field_validator("redis_url")
    @classmethod
    def _usable_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_redis_url(value.get_secret_value())
        return value

    @field_validator("redis_host", "redis_port", "redis_db", "redis_ssl", mode="wrap")
    @classmethod
    def _unless_overruled(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Skip validation if `REDIS_URL` is set, even to a bad value: that is what must be corrected."""
        try:
            return handler(value)
        except ValidationError:
            if info.data.get("redis_url", "") is None:
                raise
            return cls.model_fields[info.field_name or ""].get_default()

    @field_validator("public_base_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        return None if value is None else public_base_url(value)

    @field_validator("seal_key")
    @classmethod
    def _long_seal_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_SEAL_KEY:
            raise ValueError(f"must have {SHORTEST_SEAL_KEY} random characters or more: openssl rand -base64 32")
        return value

    @field_validator("llm_prompt_file")
    @classmethod
    def _one_prompt(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("llm_prompt") is not None:
            raise ValueError("cannot be set together with LLM_PROMPT: use one of them")
        return value

    @field_validator("llm_mcp_servers")
    @classmethod
    def _known_servers(cls, value: str | None) -> str | None:
        if value is not None:
            mcp_servers(value, given_variables())
        return value

    @field_validator("twilio_from_number", "transfer_to")
    @classmethod
    def _whom_one_can_dial(cls, value: str | None, info: ValidationInfo) -> str | None:
        found = destination(value, region_of(info.data.get("twilio_from_number"))) if value is not None else None
        if value is not None and found is None:
            raise ValueError("must be a number with its country such as +15551234567, sip:user@host or client:name")
        return found

    @field_validator("redis_key_file")
    @classmethod
    def _certificate_with_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "redis_cert_file" in info.data and (info.data["redis_cert_file"] is None) != (value is None):
            raise ValueError("must be set together with REDIS_CERT_FILE")
        return value

    @property
    def ended_ttl(self) -> int:
        """Return for how many seconds an ended call is kept: not longer than a live one, unless
        `ENDED_CALL_TTL_SECONDS` says so."""
        is_set = "ended_call_ttl_seconds" in self.model_fields_set
        return self.ended_call_ttl_seconds if is_set else min(self.ended_call_ttl_seconds, self.state_ttl_seconds)

    @property
    def dial_prefixes(self) -> tuple[str, ...] | None:
        """Return the entries of `DIAL_ALLOW`; None without it."""
        return dial_prefixes(self.dial_allow) if self.dial_allow else None

    @property
    def base_path(self) -> str:
        """Return the path of `PUBLIC_BASE_URL`, the prefix of every path of ours; "" without one."""
        return urlsplit(self.public_base_url or "").path

    @property
    def has_public_url(self) -> bool:
        """True if `PUBLIC_BASE_URL` names another host than this machine: others can reach the server."""
        host = urlsplit(self.public_base_url or "").hostname or "localhost"
        return host not in ("localhost", "::1") and not host.startswith("127.")

    @property
    def callback_base_url(self) -> str | None:
        """Return the URL at which the provider's REST API is told to fetch documents, or None if there is none.

        That is `PUBLIC_BASE_URL`; a simulated provider finds web on this machine without it.
        """
        if self.public_base_url is None and self.has_simulated_provider:
            return f"http://127.0.0.1:{self.port}"
        return self.public_base_url

    def effective_redis_url(self) -> str:
        """Return `REDIS_URL`, or the URL made of its parts. It holds the password: never log it."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        scheme = "rediss" if self.redis_ssl else "redis"
        password = self.redis_password.get_secret_value() if self.redis_password else ""
        credentials = f":{quote(password, safe='')}@" if password else ""
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        return f"{scheme}://{credentials}{host}:{self.redis_port}/{self.redis_db}"

    @property
    def knows_a_provider(self) -> bool:
        """True if the signatures of at least one telephone provider can be checked."""
        return bool(self.twilio_auth_token or self.telnyx_public_key or self.signalwire_signing_key)

    def require_for_web(self) -> None:
        """Raise `BadSetting` when a web process must not start with these settings."""
        if self.is_production and not self.knows_a_provider:
            raise BadSetting(
                "TWILIO_AUTH_TOKEN is not set, and this is production: anybody could pretend to be Twilio. "
                "Set it to the auth token of your Twilio account (or, for another provider, TELNYX_PUBLIC_KEY or "
                "SIGNALWIRE_SIGNING_KEY); on your own machine, set ENVIRONMENT=development instead."
            )


def load_settings(**overrides: Any) -> Settings:
    """Return the settings of this process. Raise `BadSetting` with one line for each variable that is wrong."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise BadSetting("\n".join(complaint(item) for item in error.errors(include_url=False))) from None
    except UnicodeDecodeError:
        raise BadSetting("The file .env is not UTF-8. Save it as UTF-8, or remove it.") from None


def given_variables() -> dict[str, str]:
    """Return all variables that settings could be read from, ours or not: `.env`, and the environment, which has
    precedence."""
    from dotenv import dotenv_values  # pydantic-settings reads the file with it

    in_file = {name: value or "" for name, value in dotenv_values(".env").items()}
    return {**in_file, **os.environ}
