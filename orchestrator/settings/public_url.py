"""`PUBLIC_BASE_URL`: the prefix of every address that a provider is given, and its validation."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

OWN_PATHS = ("twilio", "telnyx", "signalwire", "calls", "dashboard", "livez", "readyz", "health", "metrics")
"""The first segments of our own paths: a base path that begins like this could not be told from them."""
PROVIDERS = ("twilio", "telnyx", "signalwire")
MAX_PATH_CHARACTERS = 200
EXAMPLE = "https://calls.example.com"

_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


def public_base_url(text: str) -> str:
    """Return the URL without the slash at its end. Raise ValueError, with what it must be, if it is invalid."""
    parts = _parsed(text)
    if parts is None or parts.scheme not in ("http", "https") or set(text) & set("?#@") or not _can_be_reached(parts):
        raise ValueError(f"must be a URL that the provider can reach, such as {EXAMPLE}")
    path = parts.path.rstrip("/")
    segments = path.split("/")[1:]
    for index, segment in enumerate(map(unquote, segments)):
        is_ours = segment.lower() in PROVIDERS or (index == 0 and segment.lower() in OWN_PATHS)
        if is_ours:
            meant = f"{parts.scheme}://{parts.netloc}{'/'.join(['', *segments[:index]])}"
            raise ValueError(f"must not contain /{segment}, which is a path of this server; use {meant.rstrip('/')}")
    if len(path) > MAX_PATH_CHARACTERS or not all(
        _SEGMENT.fullmatch(s) and unquote(s) not in (".", "..") for s in segments
    ):
        raise ValueError(
            f"must be a path of at most {MAX_PATH_CHARACTERS} characters, percent-encoded, such as {EXAMPLE}/agents"
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


def _parsed(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        return parts if parts.hostname and parts.port != 0 and not parts.netloc.endswith(":") else None
    except ValueError:  # an invalid port or address
        return None


def _can_be_reached(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return not ip_address(host).is_unspecified
    except ValueError:
        return _HOST.fullmatch(host) is not None and host != "your-host"
