"""The judgement of the web process that answers here: its health, and whether it uses the Redis that was examined."""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.doctor.facts import Facts
from orchestrator.doctor.finding import Finding
from orchestrator.settings import Settings
from orchestrator.settings.redis_url import parse_redis_url

OTHERWISE = "Run the doctor with web's environment (its REDIS_URL, its .env, its directory), or correct one of both."


@dataclass(frozen=True, slots=True)
class WebFacts:
    """What web reports about itself. `trouble` is why it could not be asked, `silence` why it did not say which Redis
    it uses.

    `redis` is the URL of its Redis, without secrets; "" when it keeps calls in memory. `listener` is the channel on
    which it receives replies there.
    """

    url: str
    status: str = ""
    trouble: Finding | None = None
    silence: str = ""
    redis: str = ""
    database: int = 0
    listener: str = ""


def judge_web(web: WebFacts, settings: Settings, facts: Facts | None) -> Iterator[Finding]:
    """Yield the findings about it. `facts` is what was measured of Redis."""
    if web.trouble is not None:
        yield web.trouble
        return
    said = f"Web answers at {web.url}: {web.status}."
    if web.status == "healthy":
        yield Finding("web", "ok", said)
    else:
        yield Finding("web", "warning", said, f"{web.url}/health/detailed says why.")
    yield _same_redis(web, settings, facts)


def _same_redis(web: WebFacts, settings: Settings, facts: Facts | None) -> Finding:
    if web.silence:
        return Finding("web", "note", f"Whether it uses this Redis is not known: {web.silence}")
    if facts is None or not settings.use_redis:
        if not web.redis:
            return Finding("web", "ok", "Like these settings, it keeps calls in memory.")
        return Finding("web", "problem", f"It uses the Redis at {web.redis}; these settings use none.", OTHERWISE)
    ours = parse_redis_url(settings.effective_redis_url())
    if not web.redis:
        return Finding(
            "web", "problem", f"It keeps calls in memory; the Redis that was examined ({ours}) is not used by it.",
            "Set USE_REDIS=true and REDIS_URL for web, or run the doctor with web's environment.",
        )  # fmt: skip
    # Two names may mean one server; a subscriber is proof.
    is_same = str(ours) == web.redis if facts.has_listener is None else facts.has_listener
    if is_same and ours.db == web.database:
        return Finding("web", "ok", "It uses this Redis.")
    return Finding(
        "web", "problem", f"It uses another Redis, {web.redis}: what is said above is of {ours}.", OTHERWISE
    )  # fmt: skip
