"""Explains errors of Redis: one sentence that says what to do, without secrets."""

import re
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from socket import gaierror

from redis.exceptions import OutOfMemoryError, RedisError

from orchestrator.errors import StoreDamaged, StoreFull, StoreUnavailable
from orchestrator.redis.damage import is_wrong_type
from orchestrator.settings.redis_url import parse_redis_url

# In this order: the first pattern found in the text of the error, or of its causes, explains it.
_EXPLANATIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), sentence)
    for pattern, sentence in (
        (
            r"OutOfMemoryError|OOM command not allowed",
            "has no memory left for writes. Raise its maxmemory or lower STATE_TTL_SECONDS.",
        ),
        (
            r"hostname mismatch|not valid for|doesn't match",
            "has a certificate for another name. Use a name of the certificate in REDIS_HOST or REDIS_URL.",
        ),
        (
            r"CERTIFICATE_VERIFY_FAILED",
            "has a certificate that an unknown authority has signed. Set REDIS_CA_FILE to the CA's certificate.",
        ),
        (
            r"certificate required|handshake failure|HANDSHAKE_FAILURE",
            "requires a client certificate. Set REDIS_CERT_FILE and REDIS_KEY_FILE.",
        ),
        (
            r"WRONG_VERSION_NUMBER|UNEXPECTED_EOF|\[SSL",
            "does not speak TLS. Use redis:// instead of rediss://, or REDIS_SSL=false.",
        ),
        (
            r"called without any password|no password is set",
            "has no password, but one is set. Take it out of REDIS_URL, or of REDIS_PASSWORD if there is no REDIS_URL.",
        ),
        (
            r"Authentication required|NOAUTH",
            "requires a password. Put it into REDIS_URL, or set REDIS_PASSWORD if there is no REDIS_URL.",
        ),
        (
            r"WRONGPASS|invalid username-password|invalid password|Invalid Username",
            "refuses the user or the password. Check both in REDIS_URL, or REDIS_PASSWORD if there is no REDIS_URL.",
        ),
        (
            r"NoPermissionError|NOPERM|no permissions|can't access",
            "knows the user but forbids a command that we need. ACL LOG shows which; docs/redis.md lists the rights.",
        ),
        (
            r"DB index is out of range|invalid DB index|Invalid Database",
            "has no database of that number. Use 0 in REDIS_DB or at the end of REDIS_URL.",
        ),
        (
            r"cluster support disabled",
            "is not a Redis Cluster. Use redis:// (or rediss://) with its address, or redis-sentinel://.",
        ),
        (
            r"ClusterDownError|MasterDownError",
            "is a Cluster that does not serve all of its slots. Look at CLUSTER INFO: a master may be down "
            "that has no replica, or slots may have no owner.",
        ),
        (
            r"MovedError|AskError|TryAgainError",
            "is a Cluster that moves slots to another node for longer than we wait. If it does not pass, look at "
            "CLUSTER NODES.",
        ),
        (
            r"\bMOVED \d|\bASK \d|CROSSSLOT|SELECT is not allowed in cluster|CLUSTERDOWN",
            "is a node of a Redis Cluster. Use redis-cluster:// (or rediss-cluster://) with its address.",
        ),
        (
            r"unknown command.{0,3}SENTINEL",
            "is not a Sentinel. Use redis:// (or rediss://) with its address, or name the Sentinels.",
        ),
        (
            r"its Sentinels have no quorum",
            "has Sentinels that do not reach a quorum of each other: the master they name may be a former one. "
            "Look at the Sentinels and the network between them; SENTINEL RESET makes them forget those that are gone.",
        ),
        (
            r"its Sentinels do not answer|No master found for \S+ : ",
            "has no Sentinel that answers. Check the hosts and ports in REDIS_URL and that they run.",
        ),
        (
            r"No master found for",
            "has Sentinels that know no healthy master of that name. Check the name in REDIS_URL.",
        ),
        (
            r"ReadOnlyError|READONLY|previous master is now a slave",
            "is a replica and takes no writes. Use the master's address.",
        ),
        (r"BusyLoadingError|LOADING", "is still loading its data. Wait until it is done."),
        (r"MISCONF", "refuses writes because it cannot save to its disk. Look at its log and its disk."),
        (r"NOREPLICAS", "refuses writes because too few replicas are connected. Look at its replicas."),
        (r"max number of clients", "has no room for more clients. Raise its maxclients."),
        (
            r"no free connection",
            "keeps all of our connections busy. Look at its latency; add processes if that is good.",
        ),
        (
            r"Name or service not known|nodename nor servname|Temporary failure in name resolution"
            r"|No address associated|getaddrinfo",
            "has a host name that cannot be found. Check REDIS_HOST or the host in REDIS_URL.",
        ),
        (
            r"Connect call failed|Connection refused|Errno 111|Errno 61\b|Error 111|Error 61\b",
            "refuses the connection. Check that it runs there, and REDIS_HOST and REDIS_PORT, or REDIS_URL.",
        ),
        (
            r"No such file or directory|Error 2 connecting",
            "has no such socket. Check that it runs and the path in REDIS_URL.",
        ),
        (r"Permission denied", "may not be opened by this user. Check the permissions of the socket."),
        (
            r"Connection closed|Connection reset|Connection lost|Broken pipe|IncompleteRead|closed by server",
            "closed the connection. It may be restarting, or require TLS (rediss://, REDIS_SSL=true) or a "
            "client certificate (REDIS_CERT_FILE).",
        ),
        (
            r"unknown command",
            "does not know a command we need. It must be Redis 6.2 or later, or Valkey, and not a Sentinel.",
        ),
        (
            r"TimeoutError|timed out|timeout",
            "does not answer in time. Check that it runs, that it can be reached from here, and whether it "
            "requires TLS (rediss://) or not (redis://).",
        ),
    )
)
_OF_SENTINELS = tuple(
    (re.compile(pattern, re.IGNORECASE), sentence)
    for pattern, sentence in (
        (
            r"called without any password|no password is set",
            "has Sentinels without a password of their own, but one is set. Take sentinel_password out of REDIS_URL.",
        ),
        (
            r"Authentication required|NOAUTH",
            "has Sentinels that require a password of their own. Add ?sentinel_password=… at the end of REDIS_URL; "
            "the password before the @ is that of the servers.",
        ),
        (
            r"WRONGPASS|invalid username-password|invalid password|Invalid Username",
            "has Sentinels that refuse the user or the password. Check sentinel_username and sentinel_password at the "
            "end of REDIS_URL.",
        ),
        (
            r"NoPermissionError|NOPERM|no permissions|can't access",
            "has Sentinels whose user may not ask for the master. Give that user +sentinel and +ping there.",
        ),
    )
)
"""Explanations of errors that a Sentinel raised."""
_SENTINELS_SAID = "No master found for"
_UNKNOWN = "refuses a command. Check that it runs and that REDIS_URL is right."


def explain(error: BaseException, url: str = "") -> str:
    """Return one sentence: what `error` means and what to do. `url` says where; its secrets are left out."""
    text = " ".join(_texts(error))
    explanations = (_OF_SENTINELS if _SENTINELS_SAID in text else ()) + _EXPLANATIONS
    sentence = next((says for pattern, says in explanations if pattern.search(text)), _UNKNOWN)
    return f"{_subject(url)} {sentence}"


class _StoreErrors:
    """A class, as each access to Redis enters it: a generator costs a microsecond more."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, RedisError | OSError):
            return
        if is_wrong_type(error):
            raise StoreDamaged from error
        raise (StoreFull if is_full(error) else StoreUnavailable)(explain(error)) from error


_STORE_ERRORS = _StoreErrors()


def store_errors() -> AbstractContextManager[None]:
    """Turn errors of the Redis client in this block into `StoreFull`, `StoreDamaged` or `StoreUnavailable`."""
    return _STORE_ERRORS


def is_full(error: BaseException) -> bool:
    """True if Redis refused a write because its memory is full."""
    # Before Redis 7 a script's error is a plain ResponseError that quotes the reason.
    return isinstance(error, OutOfMemoryError) or "OOM command not allowed" in str(error)


def _subject(url: str) -> str:
    try:
        return f"Redis at {parse_redis_url(url).place}" if url else "Redis"
    except ValueError:
        return "Redis"


def _texts(error: BaseException) -> Iterator[str]:
    """Yield the texts of the error and its causes; redis-py leaves the cause in the context."""
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            return
        yield f"{type(seen).__name__}: {seen}"
        if isinstance(seen, ssl.SSLError):
            yield "[SSL"
        elif isinstance(seen, gaierror):
            yield "getaddrinfo"
        seen = seen.__cause__ or seen.__context__
