"""The settings of the routes: which agent answers which number."""

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.settings.checks import RoutesFile
from orchestrator.settings.event_settings import checked_secrets, listed


class RouteSettings(BaseSettings):
    """Which agent answers which number. `Settings` has them."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is made

    routes: RoutesFile | None = None
    routes_hook_secret: SecretStr | None = Field(default=None, validate_default=True)
    routes_hook_allow_private: bool = False

    @property
    def hook_secrets(self) -> tuple[str, ...]:
        """Return the secrets that sign what the hooks of routes are asked: two while one replaces the other."""
        return tuple(listed(self.routes_hook_secret.get_secret_value())) if self.routes_hook_secret else ()

    @field_validator("routes_hook_secret")
    @classmethod
    def _usable_hook_secrets(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        checked_secrets(value)
        return value
