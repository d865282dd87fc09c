"""One run of the soak: callers and faults for a given time, then the audit."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random

from soak.audit import audit
from soak.callers import ApiCaller, Caller, PhoneCaller, all_answered
from soak.cluster_faults import WEIGHTS as CLUSTER_WEIGHTS
from soak.cluster_faults import ClusterFaults
from soak.cockpit_audit import audit_cockpit
from soak.desks import NORTH, SOUTH, WEST, routes
from soak.faults import SINK_WEIGHTS, WEIGHTS, Faults, Injected, Planned, SoakFailed, plan
from soak.journal import CallJournal
from soak.key_rotation import SETTING as ENCRYPTION_KEYS
from soak.key_rotation import WEIGHTS as KEY_WEIGHTS
from soak.key_rotation import KeyRotation, in_plain
from soak.living import EFFECTS_FILE
from soak.living_audit import Lateness, Outage, audit_living
from soak.living_callers import LivingCaller, LivingSpeech
from soak.living_relay import LivingRelayCaller, LivingRelaySpeech
from soak.message_audit import Told, audit_messages, text_provider
from soak.provider import Provider
from soak.relay_callers import RelayCaller
from soak.report import AFTERMATH_SECONDS, Report, Waits, counts, heard_of, waits_of
from soak.sentinel_faults import WEIGHTS as SENTINEL_WEIGHTS
from soak.sentinel_faults import SentinelFaults
from soak.sink_audit import audit_sinks
from soak.sinks import Sinks
from soak.speech import DeskSpeech, Speech
from soak.version_audit import audit_versions
from soak.versions import VERSIONS
from soak.versions import WEIGHTS as VERSION_WEIGHTS
from soak.watcher import Watcher
from support.cluster_deployment import ClusterDeployment
from support.deployment import Deployment
from support.sentinel_deployment import SentinelDeployment
from support.terminal import run_script

from orchestrator.encryption.keys import new_key

logger = logging.getLogger("soak")

TOPOLOGIES: dict[str, tuple[type[Deployment], type[Faults], Mapping[str, int]]] = {
    "standalone": (Deployment, Faults, WEIGHTS),
    "sentinel": (SentinelDeployment, SentinelFaults, SENTINEL_WEIGHTS),
    "cluster": (ClusterDeployment, ClusterFaults, CLUSTER_WEIGHTS),
}
"""Name → how Redis is set up, what befalls it, and how often each."""
WORKERS = 3
RELAYS = 2
"""Ingresses that answer on a relay, beside those that speak TwiML."""
LIVING_SHARE = 2
"""One of so many callers over webhooks and the API makes calls that live, if any does."""
CALM_SHARE = 0.1
"""The share of the time, at its beginning, without faults: to compare with."""
FINISH_SECONDS = 150.0
LEAVE_SECONDS = 20.0
"""How long a caller that was cancelled may take to let go."""
PROGRESS_SECONDS = 10.0
SEAL_KEY = "as the deployments that we describe"
"""Without it an ingress that starts while Redis is down, and is killed before it is up, takes the key with it by which
it has sealed what held callers said: they are asked to say it again."""
STATE_TTL_SECONDS = "14400"


async def soak(
    *,
    seed: int,
    seconds: float,
    callers: int,
    every: float,
    topology: str = "standalone",
    relay_share: float = 0.3,
    interpreters: bool = False,
    with_sinks: bool = False,
    with_routes: bool = False,
    with_living: bool = False,
    with_encryption: bool = False,
    plain_relays: bool = False,
    is_watched: bool = False,
    watched_after: float = 0.0,
) -> Report:
    """Run it all; the report. The directory with the logs is kept when something was found. Raises `SoakFailed`.

    With `plain_relays` a lost socket comes back with a new document, and calls on relays have no turns of their own.
    One that `is_watched` has somebody at the cockpit, who looks on for so many seconds `watched_after` the last fault.
    """
    began = time.monotonic()
    make, harm, weights = TOPOLOGIES[topology]
    async with AsyncExitStack() as stack:
        sinks = await stack.enter_async_context(Sinks(Random(f"{seed}/sinks"))) if with_sinks else None
        if sinks is not None:
            weights = {**weights, **SINK_WEIGHTS}
        if with_routes:
            weights = {**weights, **VERSION_WEIGHTS}
        settings = _routed(stack) if with_routes else {}
        rotation = KeyRotation(new_key()) if with_encryption else None
        if rotation is not None:
            weights = {**weights, **KEY_WEIGHTS}
            settings[ENCRYPTION_KEYS] = rotation.setting
        settings |= {"RELAY_RECONNECT": "off"} if plain_relays else {}
        texts = await stack.enter_async_context(text_provider(Random(f"{seed}/texts"))) if with_living else None
        if texts is not None:
            settings |= texts.settings | {EFFECTS_FILE: _effects_file(stack)}
        deployment = await stack.enter_async_context(
            make(
                relays=RELAYS if relay_share else 0,
                workers=2 * len(VERSIONS) if with_routes else WORKERS,
                versions=VERSIONS if with_routes else (),
                AGENT="soak.script:reply",
                SEAL_KEY=SEAL_KEY,
                STATE_TTL_SECONDS=STATE_TTL_SECONDS,
                ENDED_CALL_TTL_SECONDS=STATE_TTL_SECONDS,
                interpreters=interpreters,
                **(sinks.settings if sinks is not None else {}),
                **settings,
            )
        )
        provider = Provider(deployment.ingresses)
        faults = harm(deployment, sinks, rotation=rotation)
        planned = plan(Random(f"{seed}/faults"), seconds=seconds * (1 - CALM_SHARE), every=every, weights=weights)
        on_relays = round(callers * relay_share)

        def caller(number: int, stop: asyncio.Event) -> Caller:
            chance = Random(f"{seed}/{number}")
            if number < on_relays and with_living and not plain_relays and number % LIVING_SHARE == 0:
                return LivingRelayCaller(provider, chance, stop, deployment.relay_ingresses, LivingRelaySpeech)
            if number < on_relays:
                speech = _speech(number, may_be_refused=False) if with_routes else Speech
                return RelayCaller(provider, chance, stop, deployment.relay_ingresses, speech)
            if with_living and number % LIVING_SHARE == 0:
                return LivingCaller(provider, chance, stop, LivingSpeech)
            kind = PhoneCaller if number % 3 else ApiCaller
            speech = _speech(number, may_be_refused=kind is PhoneCaller) if with_routes else Speech
            return kind(provider, chance, stop, speech)

        watcher = await stack.enter_async_context(Watcher(deployment.web_urls)) if is_watched else None
        journals = await _load(caller, faults, planned, seconds=seconds, callers=callers)
        verdict = await audit(journals, provider, *deployment.masters)
        if rotation is not None:
            verdict.wrong.extend(await in_plain(*deployment.masters))
            verdict.outcomes["keys replaced"] = rotation.rotations
        if with_routes:
            audit_versions(deployment, journals, faults.versions, faults.injected, verdict)
        if sinks is not None:
            await audit_sinks(sinks, verdict, lambda: _retry_events(deployment))
        lateness = Lateness()
        if texts is not None:
            effects = [line.split("\t") for line in Path(settings[EFFECTS_FILE]).read_text().splitlines()]
            lateness = audit_living(journals, verdict, _outages(faults.injected), effects)
            await audit_messages(texts, sinks.told if sinks is not None else _told_nobody, verdict)
        if watcher is not None:
            await watcher.look_on(faults.over_at + watched_after)
            audit_cockpit(watcher, deployment, journals, faults.injected, verdict)
        runs = deployment.runs
        exits = list(deployment.exits)
    silence = waits_of(journals, faults.injected, "sound_at", {"gather"})
    relay = waits_of(journals, faults.injected, "sound_at", {"relay"})
    answers = waits_of(journals, faults.injected, "answered_at", {"gather", "api"})
    report = Report(
        seed=seed, seconds=time.monotonic() - began, callers=callers, calls=len(journals),
        turns=sum(len(journal.exchanges) for journal in journals),
        copies=sum(exchange.copies for journal in journals for exchange in journal.exchanges),
        retries=provider.retries, overlong=provider.overlong,
        ran_again=sum(count - 1 for count in runs.values()),
        faults=dict(faults.by_kind), heard=dict(heard_of(journals)), outcomes=dict(verdict.outcomes),
        sinks=dict(verdict.sinks), desks=dict(verdict.desks), versions=dict(verdict.versions),
        living=dict(verdict.living), cockpit=dict(verdict.cockpit), timers_late=Waits.of(lateness.seconds),
        timers_late_excused=Waits.of(lateness.excused), lost_named=Waits.of(verdict.named_after),
        **counts(verdict), exits=len(exits), bad_leavings=len(faults.bad_leavings),
        silence_calm=silence[0], silence_under_fault=silence[1],
        relay=dict(verdict.relay), relay_calm=relay[0], relay_under_fault=relay[1],
        answer_calm=answers[0], answer_under_fault=answers[1],
        findings=(*exits, *faults.bad_leavings, *verdict.findings),
    )  # fmt: skip
    if report.is_clean:
        shutil.rmtree(deployment.directory, ignore_errors=True)
    else:
        (deployment.directory / "findings").write_text("\n".join([*report.findings, *map(str, faults.injected)]))
        logger.error("The logs of all processes, and all findings, are in %s", deployment.directory)
    return report


def _speech(number: int, *, may_be_refused: bool) -> Callable[[Random], Speech]:
    """Whom the caller of this number calls: nobody's number, or a desk."""
    desks = (None, NORTH, SOUTH, *(2 * [WEST if may_be_refused else NORTH]))
    desk = desks[number % len(desks)]
    return Speech if desk is None else partial(DeskSpeech, desk=desk)


def _effects_file(stack: AsyncExitStack) -> str:
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="va-effects-"))
    file = Path(directory) / "effects"
    file.touch()
    return str(file)


def _outages(faults: list[Injected]) -> list[Outage]:
    """What befell the network, or Redis itself, by the clock of the world, with its aftermath."""
    offset = time.time() - asyncio.get_running_loop().time()
    return [
        Outage(fault.began + offset, fault.ended + offset + AFTERMATH_SECONDS)
        for fault in faults
        if fault.is_of_network
    ]


async def _told_nobody() -> Told:
    return {}


def _routed(stack: AsyncExitStack) -> dict[str, str]:
    """The settings of processes that route calls."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="va-routes-")))
    file = directory / "routes.toml"
    file.write_text(routes())
    return {"ROUTES": str(file)}


async def _retry_events(deployment: Deployment) -> None:
    """Have all that is pending tried now, as an operator does after a receiver's outage."""
    await run_script("events", "retry", "--yes", cwd=deployment.directory, settings=deployment.webs[0].environment)


async def _load(
    new_caller: Callable[[int, asyncio.Event], Caller],
    faults: Faults,
    planned: list[Planned],
    *,
    seconds: float,
    callers: int,
) -> list[CallJournal]:
    """Let callers call while faults come, and until all were answered after them; what they noted.

    A caller that does not come to an end is left. Raises `SoakFailed`: a fault could not be done, or a caller broke.
    """
    stop = asyncio.Event()
    people = [new_caller(number, stop) for number in range(callers)]
    calling = [asyncio.create_task(caller.call_for_ever()) for caller in people]
    progress = asyncio.create_task(_tell_progress(people, faults))
    try:
        await asyncio.sleep(seconds * CALM_SHARE)
        await faults.inject(planned)
        with contextlib.suppress(AssertionError):  # the audit finds who was not
            await all_answered(people)
        stop.set()
        await asyncio.wait(calling, timeout=FINISH_SECONDS)
    finally:
        for task in (*calling, progress):
            task.cancel()
        ended, _ = await asyncio.wait(calling, timeout=LEAVE_SECONDS)
    for task in ended:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise SoakFailed(f"A caller broke: {error!r}") from error
    return [journal for caller in people for journal in caller.journals]


async def _tell_progress(people: list[Caller], faults: Faults) -> None:
    told = 0
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        journals = [journal for caller in people for journal in caller.journals]
        turns = sum(len(journal.exchanges) for journal in journals)
        complaints = [complaint for journal in journals for complaint in journal.complaints]
        logger.info("%d calls, %d turns, %d faults", len(journals), turns, len(faults.injected))
        for complaint in complaints[told:]:
            logger.warning("%s", complaint)
        told = len(complaints)
