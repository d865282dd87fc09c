"""The settings of a process: where it runs, how much it takes, how it ends, and what it logs."""

from typing import Literal, get_args

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.settings.checks import ProcessCount, VersionName


class ProcessSettings(BaseSettings):
    """What concerns the process, not the calls. `Settings` has them first: others depend on the environment."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is made

    render: bool = False
    environment: Literal["development", "production"] = "development"
    host: str | None = None
    port: int = Field(default=8000, ge=0, le=65535)
    web_processes: ProcessCount = 1
    worker_max_turns: int = Field(default=100, ge=1)
    worker_max_activities: int = Field(default=20, ge=1, le=1000)
    drain_timeout_seconds: float = Field(default=25, gt=0)
    drain_delay_seconds: float = Field(default=0, ge=0, le=600)
    keep_alive_seconds: int = Field(default=75, ge=1, le=3600)
    max_connections: int = Field(default=10_000, ge=1)
    max_connections_per_peer: int | None = Field(default=None, ge=1)
    worker_version: VersionName | None = None
    worker_versioning: Literal["pinned", "auto"] = "pinned"
    render_git_commit: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @property
    def is_production(self) -> bool:
        """True in production: unsigned webhooks and an API without a key are refused."""
        return self.environment == "production"

    @field_validator(
        "log_level",
        "environment",
        "voice_channel",
        "log_format",
        "worker_versioning",
        mode="before",
        check_fields=False,
    )
    @classmethod
    def _any_case(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        folded = value.upper() if info.field_name == "log_level" else value.lower()
        known = get_args(cls.model_fields[info.field_name or ""].annotation)
        return folded if folded in known else value  # as it was given, for the error message
