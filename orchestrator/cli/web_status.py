"""Asks the web process at a URL for its health and which Redis it uses."""

from typing import Any

from orchestrator.doctor.finding import Finding
from orchestrator.doctor.web import WebFacts
from orchestrator.settings import Settings

WEB_SECONDS = 5.0


async def asked_web(url: str, settings: Settings) -> WebFacts:
    """Return what web says, or why it says nothing. Never raises."""
    import httpx

    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"} if settings.api_key else {}
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=WEB_SECONDS) as client:
            status = str((await client.get(f"{url}/health")).json()["status"])
            answer = await client.get(f"{url}/health/detailed", headers=headers)
            if answer.status_code in (401, 403):
                return WebFacts(url, status, silence=_why_refused(settings))
            return _told(url, status, answer.json())
    except (httpx.TransportError, httpx.InvalidURL):
        return WebFacts(
            url,
            trouble=Finding(
                "web", "warning", f"Nothing answers at {url}.", "Start it: python -m web; or say where it is: --url URL"
            ),
        )
    except (ValueError, KeyError, TypeError):
        stranger = f"What answers at {url} is no VoiceAgent."
        return WebFacts(url, trouble=Finding("web", "warning", stranger, "Say where it is: --url URL"))


def _why_refused(settings: Settings) -> str:
    if settings.api_key is None:
        return "it answers only with its API_KEY, and none is set here."
    return "it answers only with its API_KEY, and another one is set here."


def _told(url: str, status: str, page: dict[str, Any]) -> WebFacts:
    if "redis" not in page:
        return WebFacts(url, status, silence="it runs an older version, which does not say.")
    redis = page["redis"]
    if redis is None:
        return WebFacts(url, status)
    return WebFacts(
        url, status, redis=str(redis["url"]), database=int(redis["database"]), listener=str(redis["listener"])
    )
