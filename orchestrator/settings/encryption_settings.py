"""The settings of encryption, and of how long records are kept."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.encryption.keys import NO_KEYS, KeyList, key_list


def _sound(value: SecretStr) -> SecretStr:
    key_list(value.get_secret_value())
    return value


class EncryptionSettings(BaseSettings):
    """What is encrypted with which keys. `Settings` has them, after those of the API's keys."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is made

    state_encryption_keys: Annotated[SecretStr, AfterValidator(_sound)] | None = None
    retention_days: int | None = Field(default=None, ge=1, le=36_500)

    @property
    def encryption_keys(self) -> KeyList:
        """Return the keys of `STATE_ENCRYPTION_KEYS`; without it nothing is encrypted."""
        return key_list(self.state_encryption_keys.get_secret_value()) if self.state_encryption_keys else NO_KEYS
