"""The audit from outside: what callers sent and heard, against what the product says of their calls."""

import asyncio
import contextlib
from collections import Counter, deque
from random import Random
from typing import Any
from urllib.parse import quote

from soak.desk_audit import compare_limits, compare_speakers
from soak.journal import CallJournal, Exchange
from soak.provider import NoAnswer, Provider, Refused
from soak.relay_audit import compare_relay
from soak.verdict import Verdict
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.conversation.turn import OWN_PREFIX
from orchestrator.redis import keys
from orchestrator.turns.redis.queue_scripts import JOB_ID_PREFIX

QUEUES = {shard.queue for shard in (keys.SINGLE_SHARD, *keys.SHARDS)}

READERS = 8
SETTLE_SECONDS = 60.0
NEVER_RUN = ("dropped", "interrupted")


async def audit(journals: list[CallJournal], provider: Provider, *redis: RedisServer) -> Verdict:
    """Look at every call, by the API, and at what is left in Redis: in its one server, or a cluster's masters."""
    verdict = Verdict()
    waiting = deque(journals)

    async def reader() -> None:
        while waiting:
            try:
                await _audit_call(waiting.popleft(), provider, verdict)
            except NoAnswer as error:
                verdict.lost.append(f"{error}; {len(waiting)} calls were not looked at")
                waiting.clear()

    await asyncio.gather(*(reader() for _ in range(READERS)))
    for call_sid in provider.unheard:
        with contextlib.suppress(Refused, NoAnswer):
            answer = await provider.api("GET", f"/calls/{quote(call_sid)}", Random(call_sid))
            verdict.unheard[call_sid] = answer.response.json()
    compare_limits(journals, verdict)
    with contextlib.suppress(AssertionError):
        await wait_until(lambda: not _waiting(*redis), "nothing waits any more", SETTLE_SECONDS)
    verdict.left_behind.extend([*_waiting(*redis), *_without_ttl(*redis)])
    for server in redis:
        with server.client() as client:
            if client.keys(keys.DEAD_LETTERS):
                verdict.outcomes["dead letters"] = client.hlen(keys.DEAD_LETTERS)
    return verdict


async def _audit_call(journal: CallJournal, provider: Provider, verdict: Verdict) -> None:
    verdict.wrong.extend(journal.complaints)
    try:
        answer = await provider.api("GET", f"/calls/{quote(journal.call_sid)}", Random(journal.call_sid))
    except Refused as error:
        if journal.was_refused:
            return
        verdict.lost.append(f"{journal.call_sid} is not known any more: {error}")
        return
    state = verdict.states[journal.call_sid] = answer.response.json()
    records = {record["turn_id"]: record for record in state["turns"]}
    verdict.outcomes.update(record["outcome"] for record in state["turns"])
    if journal.channel == "relay":
        compare_relay(journal, state["turns"], verdict)
    else:
        _compare_order(journal, [record["turn_id"] for record in state["turns"]], verdict)
        for exchange in journal.exchanges:
            _compare(journal, exchange, records.get(exchange.turn_id), verdict)
    _compare_effects(journal, state, verdict)
    compare_speakers(journal, state, verdict)
    if not journal.over:
        verdict.lost.append(f"{journal.call_sid} never came to its end")
    elif state["ended"] is None:
        verdict.lost.append(f"the end of {journal.call_sid} is not in its state")


def _compare_order(journal: CallJournal, recorded: list[str], verdict: Verdict) -> None:
    for turn_id, count in Counter(recorded).items():
        if count > 1:
            verdict.doubled.append(f"{journal.call_sid}: {turn_id} is in the state {count} times")
    sent = [exchange.turn_id for exchange in journal.exchanges]
    others = ("ended", OWN_PREFIX)
    known = [turn_id for turn_id in dict.fromkeys(recorded) if not turn_id.startswith(others)]
    if [turn_id for turn_id in sent if turn_id in set(known)] != known:
        verdict.reordered.append(f"{journal.call_sid}: sent {sent}, recorded {recorded}")


def _compare(journal: CallJournal, exchange: Exchange, record: dict[str, Any] | None, verdict: Verdict) -> None:
    where = f"{journal.call_sid}: {exchange.turn_id}"
    if exchange.heard == "abandoned":
        return  # whatever became of it, nobody heard
    if exchange.answered_at is None:
        verdict.lost.append(f"{where} was never answered")
    elif record is None:
        verdict.lost.append(f"{where} was answered, and is not in the state")
    elif record["text"] != exchange.text or _joined(record["reply"]["text"]) != exchange.answer:
        verdict.wrong.append(f"{where}: the state says {record}, the caller {exchange}")


def _joined(text: str) -> str:
    """As a caller hears it: how it was spread over verbs and hand-offs leaves no trace."""
    return " ".join(text.split())


def _compare_effects(journal: CallJournal, state: dict[str, Any], verdict: Verdict) -> None:
    """The agent's effect on the state: one entry for each turn that was replied, in their order."""
    seen: list[str] = state["slots"].get("seen", [])
    settled = [r for r in state["turns"] if r["kind"] == "speech"]
    must = [record["text"] for record in settled if record["outcome"] == "replied"]
    may = {record["text"] for record in settled if record["outcome"] in NEVER_RUN}
    effects = [text for text in seen if text not in may]
    if len(set(seen)) != len(seen):
        verdict.doubled.append(f"{journal.call_sid}: the agent saw {seen}")
    elif set(effects) != set(must):
        verdict.lost.append(f"{journal.call_sid}: the agent saw {seen}, and replied to {must}")
    elif effects != must:
        verdict.reordered.append(f"{journal.call_sid}: the agent saw {seen}, and replied to {must}")


def _waiting(*redis: RedisServer) -> list[str]:
    """What still waits to be run."""
    found: list[str] = []
    due = {shard.due for shard in (keys.SINGLE_SHARD, *keys.SHARDS)}
    for server in redis:
        with server.client() as client:
            for key in client.scan_iter(count=1000):
                if key in due:
                    found += [f"{key} still holds {call_sid}" for call_sid in client.zrange(key, 0, 9)]
                elif key in QUEUES:
                    jobs = [job for job in client.zrange(key, 0, -1) if job.startswith(JOB_ID_PREFIX)]
                    found += [f"{key} still holds {job}" for job in jobs]
                elif key.endswith(":inbox"):
                    found.append(f"{key} still holds {client.lrange(key, 0, 9)}")
    return found


def _without_ttl(*redis: RedisServer) -> list[str]:
    found: list[str] = []
    for server in redis:
        with server.client() as client:
            every = client.scan_iter(match="*voiceagent:*", count=1000)
            # A cron job may wait on arq's queue just now: arq gives that no life, since jobs of others wait there, too.
            found += [f"{key} has no time to live" for key in every if key not in QUEUES and client.ttl(key) == -1]
    return found
