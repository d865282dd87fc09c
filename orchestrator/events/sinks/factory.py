"""The sinks that the settings name. What a sink needs is imported when it is built, so none that is not set costs
anything."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256

from orchestrator.errors import BadSetting
from orchestrator.events.sinks.sink import Sink
from orchestrator.records.opening import database_url, record_cipher
from orchestrator.settings import Settings

FINGERPRINT_DIGITS = 16


def sink_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the sinks, by which an outbox knows what each has got: they must not change.

    `webhook`, `webhook-2` … in the order of `EVENTS_WEBHOOK_URL`; `file`; `database`; and the name of each class of
    `EVENTS_SINK`.
    """
    return tuple(_builders(settings))


def sinks_of(settings: Settings) -> dict[str, Sink]:
    """Return the sinks by their names.

    Raise `BadSetting` if a class of the user's is no sink, or the client of a database is not installed.
    """
    return {name: build() for name, (_, build) in _builders(settings).items()}


def sink_fingerprints(settings: Settings) -> dict[str, str]:
    """Return a fingerprint of each sink's address: one that is stopped goes on when its address has changed."""
    addresses = {name: address for name, (address, _) in _builders(settings).items()}
    return {name: sha256(address.encode()).hexdigest()[:FINGERPRINT_DIGITS] for name, address in addresses.items()}


def _builders(settings: Settings) -> dict[str, tuple[str, Callable[[], Sink]]]:
    """Return the address of each sink, and what builds it."""
    found: dict[str, tuple[str, Callable[[], Sink]]] = {}

    def add(name: str, address: str, build: Callable[[], Sink]) -> None:
        number = 1 + sum(known.partition("-")[0] == name for known in found)
        found[name if number == 1 else f"{name}-{number}"] = (address, build)

    for url in settings.webhook_urls:
        add("webhook", url, partial(_webhook, url, settings))
    if settings.events_file is not None:
        add("file", settings.events_file, partial(_file, settings.events_file))
    if settings.events_database_url is not None:
        url = settings.events_database_url.get_secret_value()
        add("database", url, partial(_database, settings))
    for name in settings.sink_classes:
        add(name.replace(":", ".").rpartition(".")[2], name, partial(_users, name, settings))
    return found


def _webhook(url: str, settings: Settings) -> Sink:
    import httpx

    from orchestrator.events.sinks.webhook import WebhookSink

    try:
        httpx.URL(url).host.encode("idna")
        return WebhookSink(url, settings.webhook_secrets, allow_private=settings.events_allow_private)
    except (httpx.InvalidURL, ValueError):  # the URL may hold a token: it is not shown
        raise BadSetting("EVENTS_WEBHOOK_URL holds a URL that no request can be sent to. Correct its host.") from None


def _file(path: str) -> Sink:
    from orchestrator.events.sinks.json_lines import JsonLinesSink

    return JsonLinesSink(path)


def _database(settings: Settings) -> Sink:
    if (url := database_url(settings)) is None:  # before the import, which needs the client
        raise BadSetting("EVENTS_DATABASE_URL is not set.")
    from orchestrator.events.sinks.postgres import PostgresSink

    return PostgresSink(url, cipher=record_cipher(settings))


def _users(name: str, settings: Settings) -> Sink:
    from orchestrator.events.sinks.loading import load_sink

    return load_sink(name, settings)
