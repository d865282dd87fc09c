"""The settings of events: which are told, and to whom."""

import os
from base64 import b64decode
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.event_types import EVENT_TYPES
from orchestrator.internet_address import is_public
from orchestrator.settings.checks import PostgresUrl, dotted_name, is_http_url

BY_DEFAULT = ",".join(kind for kind in EVENT_TYPES if kind != "turn.completed")
SECRET_PREFIX = "whsec_"
SHORTEST_SECRET = 24
"""Bytes, as the Standard Webhooks specification has it."""
MOST_SECRETS = 2
"""The one in use, and the one that replaces it or that it replaces."""


def _event_types(value: str) -> str:
    names = listed(value)
    unknown = [name for name in names if name not in EVENT_TYPES]
    if unknown or not names:
        raise ValueError(f"must be types of events, separated by commas: {', '.join(EVENT_TYPES)}")
    return ",".join(dict.fromkeys(names))


def _class_names(value: str) -> str:
    return ",".join(dict.fromkeys(dotted_name(name) for name in listed(value)))


def _writable_file(value: str) -> str:
    path = Path(value)
    if path.exists() and not path.is_file():
        raise ValueError("must be the path of a file; this is something else")
    if not path.exists() and not path.parent.is_dir():
        raise ValueError("must be the path of a file in a directory that exists")
    needed = (path, os.R_OK | os.W_OK) if path.exists() else (path.parent, os.W_OK | os.X_OK)
    if not os.access(*needed):
        raise ValueError("must be the path of a file that this process may write")
    return value


EventTypes = Annotated[str, AfterValidator(_event_types)]
ClassNames = Annotated[str, AfterValidator(_class_names)]
WritableFile = Annotated[str, AfterValidator(_writable_file)]


class EventSettings(BaseSettings):
    """Which events are told, and to whom. `Settings` has them, after those of the process."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is made

    events: EventTypes = BY_DEFAULT
    events_allow_private: bool = False  # before the URL, which may need it
    events_webhook_url: SecretStr | None = None  # a part of it is often a token
    events_webhook_secret: SecretStr | None = Field(default=None, validate_default=True)
    events_file: WritableFile | None = None
    events_sink: ClassNames | None = None
    events_database_url: PostgresUrl | None = None
    events_max_bytes: int = Field(default=256_000_000, ge=1_000_000)

    @property
    def wanted_events(self) -> frozenset[str]:
        """Return the types of events that are told."""
        return frozenset(self.events.split(","))

    @property
    def webhook_urls(self) -> list[str]:
        """Return the URLs that events are sent to."""
        return _urls(self.events_webhook_url.get_secret_value()) if self.events_webhook_url else []

    @property
    def webhook_secrets(self) -> list[str]:
        """Return the secrets that sign what is sent: two while one replaces the other."""
        return listed(self.events_webhook_secret.get_secret_value()) if self.events_webhook_secret else []

    @property
    def sink_classes(self) -> list[str]:
        """Return the names of the user's own sinks, `package.module:Class`."""
        return listed(self.events_sink or "")

    @field_validator("events_webhook_url")
    @classmethod
    def _usable_urls(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        urls = [] if value is None else _urls(value.get_secret_value())
        if len(set(urls)) < len(urls):
            raise ValueError("must name each URL once")
        allows_private = bool(info.data.get("events_allow_private", True))  # True: that setting itself is bad
        is_production = info.data.get("environment") == "production"
        for number, url in enumerate(urls, 1):
            which = f"; number {number} of them does not" if len(urls) > 1 else ""
            if not is_http_url(url) or "#" in url:
                raise ValueError(f"must be a URL, or several with a space between them: https://…{which}")
            if not allows_private and not may_be_public(url):
                raise ValueError(
                    f"must name a host that everybody can reach{which}. If it shall be inside your own network, "
                    "set EVENTS_ALLOW_PRIVATE=true"
                )
            if not allows_private and is_production and not url.startswith("https:"):
                raise ValueError(
                    f"must begin with https:// in production{which}. If it is inside your own network, "
                    "set EVENTS_ALLOW_PRIVATE=true"
                )
        return value

    @field_validator("events_webhook_secret")
    @classmethod
    def _usable_secrets(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        secrets = checked_secrets(value)
        has_url = info.data.get("events_webhook_url", "bad")
        if has_url != "bad" and bool(has_url) != bool(secrets):
            raise ValueError("must be set together with EVENTS_WEBHOOK_URL")
        return value


def checked_secrets(value: SecretStr | None) -> list[str]:
    """Return the secrets for signing that `value` lists. Raise ValueError."""
    secrets = [] if value is None else listed(value.get_secret_value())
    if len(secrets) > MOST_SECRETS or not all(map(_is_secret, secrets)):
        raise ValueError(
            f"must be {SHORTEST_SECRET} random bytes or more as base64, or two such secrets with a comma between "
            'them while one replaces the other: echo "whsec_$(openssl rand -base64 32)"'
        )
    return secrets


def listed(text: str) -> list[str]:
    """Return the items of a list that is separated by commas or blanks."""
    return text.replace(",", " ").split()


def may_be_public(url: str) -> bool:
    """Return False if the URL's host is this machine or a private address, as far as that shows without a resolver."""
    host = urlsplit(url).hostname or ""
    try:
        return is_public(host)
    except ValueError:  # a name
        return host != "localhost" and not host.endswith(".localhost")


def _urls(text: str) -> list[str]:
    """Return the URLs in `text`: blanks separate them, and commas where the next one begins."""
    for scheme in ("http://", "https://"):
        text = text.replace(f",{scheme}", f" {scheme}")
    return [word.rstrip(",") for word in text.split()]


def _is_secret(text: str) -> bool:
    try:
        return len(b64decode(text.removeprefix(SECRET_PREFIX), validate=True)) >= SHORTEST_SECRET
    except ValueError:
        return False
