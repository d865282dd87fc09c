"""`create_app`: the ingress as an ASGI application."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware

from orchestrator.fleet_metrics.fleet import RisingCounts
from orchestrator.history.reader import HistoryReader
from orchestrator.history.recorder import history_recorded
from orchestrator.metrics import Metrics
from orchestrator.process_metrics.event_loop_lag import event_loop_lag_measured
from orchestrator.provider_api.client import ProviderApi
from orchestrator.records.opening import open_archive
from orchestrator.routes.table import RouteTable, load_routes
from orchestrator.settings import Settings
from orchestrator.version import code_version
from web import fleet_metrics, health, metrics
from web.api import routes as api
from web.api import session
from web.api.openapi import routes as openapi
from web.api.request_rate import RequestRates
from web.api.wrong_keys import WrongKeys
from web.base_path import BasePathMiddleware
from web.dashboard import routes as dashboard
from web.findings import Findings
from web.health_checks import HealthChecks
from web.history_sample import sample
from web.http_entry import HttpEntry
from web.ingress import Ingress, OpenRuntime, Timeouts
from web.live.call_stream import CallWatches
from web.live.live_reader import LiveReader
from web.live_update import LiveUpdates
from web.local_access import LocalAccess
from web.outbound.call_placer import call_placer
from web.presence import is_cut_off, own_name, report_of
from web.providers import routes as providers
from web.seal import Seal
from web.session_registry import SessionRegistry
from web.shared_seal import SharedSeal
from web.shedding import Shedding
from web.twilio import routes as twilio
from web.twilio.relay.keep_alive import KeepAlive
from web.twilio.signature import TwilioSignatures
from web.voices.voices import Voices


def create_app(
    settings: Settings, *, open_runtime: OpenRuntime | None = None, timeouts: Timeouts | None = None
) -> Starlette:
    """Return the application, whose lifespan opens and closes the runtime. `open_runtime` replaces the real one.

    Raise `BadSetting` when these settings are not safe to serve with.
    """
    app_metrics, signatures, access = Metrics(), TwilioSignatures(settings), LocalAccess(settings)
    app_metrics.runs(code_version(settings))
    opening, archive, table = open_runtime or _real_runtime(), open_archive(settings), load_routes(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            _opened_ingress(settings, opening, app_metrics, timeouts or Timeouts(), signatures, table) as ingress,
            Findings(ingress) as findings,
            LiveReader(ingress, findings) as live_reader,
            CallWatches(ingress, live_reader) as call_watches,
        ):
            with ProviderApi(settings) as provider_api:
                app.state.ingress = ingress
                app.state.findings = findings
                app.state.live_reader, app.state.call_watches = live_reader, call_watches
                app.state.health_checks = checks = HealthChecks(ingress)
                app.state.history = HistoryReader(ingress.runtime.history)
                app.state.call_placer = call_placer(ingress, provider_api)
                app.state.live_updates = live_updates = LiveUpdates(ingress, provider_api)
                app.state.archive = archive
                try:
                    async with history_recorded(
                        ingress.runtime.history, partial(sample, ingress, checks), ingress.timeouts.record
                    ):
                        yield
                finally:
                    await live_updates.close()
                    await table.close()
                    if archive is not None:
                        await archive.close()

    routes = [
        *twilio.routes,
        *providers.routes,
        *api.routes,
        *session.routes,
        *openapi.routes,
        *dashboard.routes,
        *health.routes,
    ]
    routes += [*metrics.routes, *fleet_metrics.routes]
    app = Starlette(
        routes=routes,
        middleware=[
            *([Middleware(BasePathMiddleware, base=settings.base_path)] if settings.base_path else []),
            Middleware(HttpEntry, routes=routes, access=access, metrics=app_metrics),
        ],
        lifespan=lifespan,
    )
    app.state.local_access = access
    app.state.request_rates = RequestRates.of(settings)
    app.state.wrong_keys = WrongKeys()
    app.state.metrics = app_metrics
    app.state.fleet_counts = RisingCounts()
    app.state.signature_checks = providers.signature_checks(settings, signatures.public_url)
    app.router.redirect_slashes = False  # a redirected webhook would lose its signature
    return app


@contextlib.asynccontextmanager
async def _opened_ingress(
    settings: Settings,
    open_runtime: OpenRuntime,
    app_metrics: Metrics,
    timeouts: Timeouts,
    signatures: TwilioSignatures,
    table: RouteTable,
) -> AsyncIterator[Ingress]:
    seal, sessions = Seal.of(settings), SessionRegistry(ping_seconds=timeouts.relay.ping, hands_over=settings.use_redis)
    voices = Voices.of(settings, table)
    voices.warn(settings, table)
    async with (
        open_runtime(settings, sessions) as runtime,
        SharedSeal(settings, seal, runtime.seal_keys()).sharing() as shared_seal,
        KeepAlive(sessions, runtime.states, settings.state_ttl_seconds),
        event_loop_lag_measured(),
    ):
        shedding = Shedding(settings.shed_after, runtime.read_waits)
        try:
            ingress = Ingress(
                settings, runtime, app_metrics, timeouts, signatures, seal, shared_seal, sessions, table,
                voices=voices, shedding=shedding,
            )  # fmt: skip
            async with (
                runtime.presence.reporting(report_of(ingress)),
                runtime.incidents.watching(partial(own_name, runtime), is_cut_off=partial(is_cut_off, runtime)),
            ):
                yield ingress
        finally:
            await shedding.close()


def _real_runtime() -> OpenRuntime:
    from orchestrator.dispatch.opening import open_runtime

    return open_runtime
