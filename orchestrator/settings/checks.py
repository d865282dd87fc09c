"""The checks of single settings. Each returns the value, normalised, or raises ValueError with what it must be."""

import string
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, SecretStr

from orchestrator.dial_allow import dial_prefixes

LONGEST_EMERGENCY_NUMBER = 6
LONGEST_VERSION = 64
VERSION_CHARACTERS = frozenset(string.ascii_letters + string.digits + "._+-")
"""What a version's name may consist of: it is part of Redis keys and of what operators type."""
MOST_PROCESSES = 64


def _bare_host(value: str) -> str:
    bare = value.strip("[]")
    if not bare or set(bare) & set("/@ ,") or bare.count(":") == 1:
        raise ValueError("must be the name or address of a host alone; a URL belongs in REDIS_URL")
    return bare


def _existing_file(value: str) -> str:
    if not Path(value).is_file():
        raise ValueError("must be the path of a PEM file; no such file exists")
    return value


def _routes_file(value: str) -> str:
    if not Path(value).is_file():
        raise ValueError("must be the path of a TOML file with routes; no such file exists")
    return value


def _ed25519_key(value: str) -> str:
    try:
        size = len(b64decode(value, validate=True))
    except ValueError:
        size = 0
    if size != 32:
        raise ValueError("must be the public key of your Telnyx account: 44 characters of base64")
    return value


def _server_url(value: str) -> str:
    if not is_http_url(value):
        raise ValueError("must be the URL of an OpenAI-compatible server, such as http://localhost:11434/v1")
    return value


def dotted_name(value: str) -> str:
    """Return `value` if it has the form of `package.module:Class`. Raise ValueError."""
    module, _, name = value.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise ValueError("must be package.module:Class")
    return value


def _postgres_url(value: SecretStr) -> SecretStr:
    if not is_postgres_url(value.get_secret_value()):
        raise ValueError("must be the URL of a PostgreSQL database: postgresql://user:password@host:5432/database")
    return value


def is_postgres_url(text: str) -> bool:
    """Return whether `text` is a URL of PostgreSQL that names a database. It may name several hosts, with ports."""
    try:
        parts = urlsplit(text)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        are_ports_valid = all(urlsplit(f"//{host}").port != 0 for host in hosts)
        return parts.scheme in ("postgres", "postgresql") and len(parts.path) > 1 and are_ports_valid
    except ValueError:  # an invalid port or address
        return False


def is_http_url(text: str) -> bool:
    """Return whether `text` is a URL of HTTP or HTTPS with a host and, if any, a valid port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port or address
        return False


BareHost = Annotated[str, AfterValidator(_bare_host)]
ExistingFile = Annotated[str, AfterValidator(_existing_file)]
RoutesFile = Annotated[str, AfterValidator(_routes_file)]
Ed25519Key = Annotated[str, AfterValidator(_ed25519_key)]
ServerUrl = Annotated[str, AfterValidator(_server_url)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
DottedName = Annotated[str, AfterValidator(dotted_name)]
DialPrefixes = Annotated[str, AfterValidator(lambda value: ",".join(dial_prefixes(value)))]


def known_zone(name: str) -> str:
    """Return `name` if it is a time zone. Raise ValueError."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # KeyError: ZoneInfoNotFoundError; ValueError: "../x"
        raise ValueError(
            "must be a name of the IANA time zone database, such as Europe/Stockholm; where the system has no such "
            "database, install the package tzdata"
        ) from None
    return name


def _short_number(number: str) -> str:
    if not (number.isascii() and number.isdecimal() and len(number) <= LONGEST_EMERGENCY_NUMBER):
        raise ValueError("must be the digits of the emergency number where callers are, such as 911, 112 or 999")
    return number


def _process_count(value: object) -> int | str:
    text = str(value).strip().lower()
    if text == "auto":
        return text
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= MOST_PROCESSES):
        raise ValueError(f"must be a whole number from 1 to {MOST_PROCESSES}, or auto: as many as CPUs")
    return int(text)


def is_version_name(text: str) -> bool:
    """Return whether workers may run under this version."""
    return 1 <= len(text) <= LONGEST_VERSION and VERSION_CHARACTERS.issuperset(text)


def _version_name(value: str) -> str:
    if not is_version_name(value):
        raise ValueError(f"must have 1 to {LONGEST_VERSION} characters: letters, digits, and any of . _ + -")
    return value


VersionName = Annotated[str, AfterValidator(_version_name)]
TimeZone = Annotated[str, AfterValidator(known_zone)]
EmergencyNumber = Annotated[str, AfterValidator(_short_number)]
ProcessCount = Annotated[int | Literal["auto"], BeforeValidator(_process_count)]
