"""Redis URLs: the forms the product takes, taken apart. No I/O, no client library.

    redis[s]://[[user]:password@]host[:port][/db]
    unix://[[user]:password@]/path/to/socket[?db=0]
    redis[s]-sentinel://[[user]:password@]host[:port][,host[:port]…]/service[/db]
    redis[s]-cluster://[[user]:password@]host[:port][,host[:port]…][/0]

User and password are percent-decoded. Options: `?ssl_cert_reqs=none` (trust any certificate), and for
Sentinels with a password of their own `?sentinel_username=…&sentinel_password=…`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES = (
    "redis", "rediss", "unix", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel",
)  # fmt: skip

_OPTIONS = ("db", "ssl_cert_reqs", "sentinel_username", "sentinel_password")
_CERTIFICATE_REQUIREMENTS = ("none", "optional", "required")
_CREDENTIALS = re.compile(r"//[^/?#]*@")


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL's parts. `hosts` are (host, port): one, or several Sentinels or nodes, or none for a socket."""

    scheme: str
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    service: str = ""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme.startswith("rediss")

    @property
    def is_sentinel(self) -> bool:
        """Whether the hosts are Sentinels, to be asked for the master of `service`."""
        return self.scheme.endswith("-sentinel")

    @property
    def is_cluster(self) -> bool:
        """Whether the hosts are nodes of a Redis Cluster."""
        return self.scheme.endswith("-cluster")

    @property
    def place(self) -> str:
        """Where the server is, for people: no user, no password."""
        where = self.path or ",".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in self.hosts)
        return f"{where}/{self.service}" if self.service else where

    def __str__(self) -> str:
        """The URL without what is secret, for logs."""
        path = self.path if self.scheme == "unix" else ""
        hosts = "" if path else self.place
        credentials = f"{self.username or ''}{':***' if self.password else ''}"
        return f"{self.scheme}://{credentials}{'@' if credentials else ''}{hosts}{path}{self._db_part}"

    @property
    def _db_part(self) -> str:
        if self.scheme == "unix":
            return f"?db={self.db}" if self.db else ""
        return f"/{self.db}"


def parse_redis_url(text: str) -> RedisUrl:
    """Take `text` apart. Raises `ValueError` with what is wanted instead; it never quotes a password."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("must have its IPv6 address in brackets, such as redis://[::1]:6379/0") from None
    if parts.scheme not in SCHEMES or ":" not in text:
        raise ValueError(_unknown_scheme(text))
    if parts.fragment or (parts.scheme != "unix" and "@" in parts.path + parts.query):
        raise ValueError(
            "must have its password percent-encoded: '/' as %2F, '?' as %3F, '#' as %23, '@' as %40, ':' as %3A"
        )
    options = _options_of(parts)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    path, service, db = _path_of(parts, options)
    return RedisUrl(
        scheme=parts.scheme,
        hosts=_hosts_of(parts.scheme, hosts),
        path=path,
        username=unquote(user) or None,
        password=unquote(password) or None,
        db=db,
        service=service,
        options=options,
    )


def redacted(text: str) -> str:
    """`text`, which may be any URL, without user and password."""
    try:
        return str(parse_redis_url(text))
    except ValueError:
        return _CREDENTIALS.sub("//***@", text.partition("?")[0].partition("#")[0])


def _unknown_scheme(text: str) -> str:
    wanted = f"must be a URL that begins with one of {', '.join(s + '://' for s in SCHEMES)}"
    scheme, found, _ = text.partition("://")
    if not found or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+._-]*", scheme):
        return f"{wanted}; it got text that begins otherwise"
    words = re.sub(r"[+_.]", "-", scheme.lower())
    tls = "s" if re.search(r"tls|ssl|rediss|valkeys", words) else ""
    kind = next((k for k in ("cluster", "sentinel") if k in words), "")
    if "unix" in words or "socket" in words:
        meant = "unix"
    elif "redis" in words or "valkey" in words:
        meant = f"redis{tls}" + (f"-{kind}" if kind else "")
    else:
        return f"{wanted}; it got '{scheme}://'"
    return f"{wanted}; it got '{scheme}://'; did you mean '{meant}://'?"


def _options_of(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - set(_OPTIONS)):
        raise ValueError(f"has the unknown option '{unknown[0]}'; it may have {', '.join(_OPTIONS)}")
    if requirement := options.get("ssl_cert_reqs"):
        requirement = requirement.lower().removeprefix("cert_")
        if requirement not in _CERTIFICATE_REQUIREMENTS:
            raise ValueError("must have an ssl_cert_reqs of none, optional or required")
        options["ssl_cert_reqs"] = requirement
    return options


def _hosts_of(scheme: str, text: str) -> tuple[tuple[str, int], ...]:
    if scheme == "unix":
        if text:
            raise ValueError("must have an absolute path after 'unix://', such as unix:///run/redis.sock")
        return ()
    default = 26379 if scheme.endswith("-sentinel") else 6379
    hosts = tuple(_host_of(scheme, part, default) for part in text.split(","))
    if len(hosts) > 1 and "-" not in scheme:
        raise ValueError(f"names several hosts: use {scheme}-sentinel:// or {scheme}-cluster://, or name one")
    return hosts


def _host_of(scheme: str, text: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must have host:port with a port from 1 to 65535") from None
    if not host or port == 0:
        raise ValueError(f"names no host; use {scheme}://host:port/…")
    return host, port or default_port


def _path_of(parts: SplitResult, options: Mapping[str, str]) -> tuple[str, str, int]:
    """The socket's path, the Sentinel service, the database."""
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("must have an absolute path after 'unix://', such as unix:///run/redis.sock")
        return unquote(parts.path), "", _db_of(options.get("db", ""))
    segments = [unquote(part) for part in parts.path.strip("/").split("/") if part]
    service = ""
    if parts.scheme.endswith("-sentinel"):
        if not segments:
            raise ValueError(f"names no service; use {parts.scheme}://host:26379,host:26379/mymaster/0")
        service = segments.pop(0)
    if len(segments) > 1:
        raise ValueError("has too many parts after the host: only the number of the database belongs there")
    db = _db_of(segments[0] if segments else options.get("db", ""))
    if db and parts.scheme.endswith("-cluster"):
        raise ValueError("must have database 0: a Redis Cluster has no other")
    return "", service, db


def _db_of(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("must have nothing but the number of a database after the host")
    return int(text or 0)
