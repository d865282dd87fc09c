"""The settings of the API's keys."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.api_keys.key import ApiKey, keys_in


def _sound(value: SecretStr) -> SecretStr:
    keys_in(value.get_secret_value())
    return value


class ApiKeySettings(BaseSettings):
    """Who may use the API. `Settings` has them, after those of the routes."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is made

    api_key: SecretStr | None = None
    api_keys: Annotated[SecretStr, AfterValidator(_sound)] | None = None

    @property
    def keys_of_api(self) -> tuple[ApiKey, ...]:
        """Return the keys of `API_KEYS`."""
        return keys_in(self.api_keys.get_secret_value()) if self.api_keys else ()

    @property
    def has_api_key(self) -> bool:
        """True if there is any key: then no request to the API is answered without one."""
        return self.api_key is not None or bool(self.keys_of_api)
