"""The judgement of the settings: what each one allows, and what does not go together."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from orchestrator.doctor.finding import Finding, Level
from orchestrator.doctor.routes import judge_routes
from orchestrator.settings import Settings
from orchestrator.settings.redis_url import parse_redis_url

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SHORT_TTL_SECONDS = 300


def judge_settings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the settings, independent of Redis."""
    found = [*_redis(settings), *_safety(settings), *_calls(settings), *judge_routes(settings)]
    yield from found or [Finding("settings", "ok", "The settings go together.")]


def _redis(settings: Settings) -> Iterator[Finding]:
    given = settings.model_fields_set
    named = sorted(name.upper() for name in given & {"redis_url", "redis_host"})
    if not settings.use_redis:
        if named:
            yield Finding(
                "settings", "problem", f"{named[0]} is set, but USE_REDIS is false: calls are in memory.",
                "Set USE_REDIS=true in every process; else a call is lost with its process, and between two of them.",
            )  # fmt: skip
        return
    if "redis_url" in given and (beaten := sorted(given & {"redis_host", "redis_port", "redis_db", "redis_password"})):
        yield Finding(
            "settings", "note", f"REDIS_URL wins over {', '.join(name.upper() for name in beaten)}.",
            "Take one or the other out, so that nobody changes what is not read.",
        )  # fmt: skip
    if 0 < settings.redis_rollout_percent < 100:
        yield Finding(
            "settings", "warning", f"REDIS_ROLLOUT_PERCENT is {settings.redis_rollout_percent:g}.",
            "That is for one web process. With several, a call in memory is unknown to the others: go to 100.",
        )  # fmt: skip
    yield from _transport(settings)


def _transport(settings: Settings) -> Iterator[Finding]:
    url = parse_redis_url(settings.effective_redis_url())
    away = [host for host, _ in url.hosts if host not in LOOPBACK]
    if away and not url.password:
        yield Finding(
            "settings", "warning", f"Redis at {url.place} is used without a password.",
            "Set one (requirepass, or an ACL user), and let only web and workers connect.",
        )  # fmt: skip
    if away and not url.is_tls and settings.is_production:
        yield Finding(
            "settings", "note", "The connection to Redis is not encrypted.",
            "Outside of a private network use rediss:// (or REDIS_SSL=true).",
        )  # fmt: skip
    if settings.redis_ssl and not url.is_tls:
        yield Finding(
            "settings",
            "warning",
            "REDIS_SSL is true, but REDIS_URL, which wins, has no TLS.",
            "Write rediss:// in REDIS_URL.",
        )
    if url.options.get("ssl_cert_reqs") == "none":
        yield Finding(
            "settings", "warning", "Any certificate is trusted (ssl_cert_reqs=none).", "Set REDIS_CA_FILE instead."
        )


def _safety(settings: Settings) -> Iterator[Finding]:
    if settings.twilio_auth_token is None:
        level: Level = "problem" if settings.is_production else "note"
        yield Finding(
            "settings", level, "TWILIO_AUTH_TOKEN is not set: webhooks from elsewhere than this machine are refused.",
            "Set it to the auth token of your Twilio account.",
        )  # fmt: skip
    public = settings.public_base_url
    if public and urlsplit(public).scheme == "http" and urlsplit(public).hostname not in LOOPBACK:
        yield Finding(
            "settings", "warning", "PUBLIC_BASE_URL is not https.", "What callers say would travel in the open."
        )
    if settings.is_production and public is None:
        yield Finding(
            "settings", "note", "PUBLIC_BASE_URL is not set: signatures are checked against the Host of each request.",
            "Behind a proxy or on another port, set it to the URL that Twilio calls.",
        )  # fmt: skip
    if settings.has_public_url and not settings.has_api_key and not settings.is_production:
        yield Finding(
            "settings", "note", "PUBLIC_BASE_URL is set and API_KEY is not: the API and the dashboard are closed.",
            "Set API_KEY. voiceagent dev makes one for each run.",
        )  # fmt: skip
    if settings.is_production and settings.use_redis and settings.seal_key is None:
        yield Finding(
            "settings", "note", "SEAL_KEY is not set: one is made, and shared through Redis.",
            "Set it in every web process: one that starts while Redis is away then opens what the others have sealed.",
        )  # fmt: skip
    if settings.is_production and not settings.has_api_key:
        yield Finding("settings", "note", "API_KEY is not set: the API under /calls is off.", "Set one if you want it.")


def _calls(settings: Settings) -> Iterator[Finding]:
    if settings.state_ttl_seconds < SHORT_TTL_SECONDS:
        yield Finding(
            "settings", "warning", f"STATE_TTL_SECONDS is {settings.state_ttl_seconds}.",
            "A caller who thinks for longer finds the call forgotten; 3600 is usual.",
        )  # fmt: skip
    if settings.max_active_calls and (settings.api_max_active_calls or 0) >= settings.max_active_calls:
        yield Finding(
            "settings", "note", "API_MAX_ACTIVE_CALLS is not below MAX_ACTIVE_CALLS.",
            "Calls begun over the API can take every line; a lower number keeps some for those who call.",
        )  # fmt: skip
    if "+" in (settings.dial_allow or "").split(","):
        yield Finding(
            "settings", "note", "DIAL_ALLOW allows every country.",
            "List the countries you call: anybody who gets an API key can dial the most expensive of the others.",
        )  # fmt: skip
    if settings.agent_timeout_seconds > 60:
        yield Finding(
            "settings", "note", f"AGENT_TIMEOUT_SECONDS is {settings.agent_timeout_seconds:g}.",
            "A caller is held for 60 s at most; an answer after that is not heard.",
        )  # fmt: skip
