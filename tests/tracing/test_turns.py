"""The trace of a turn, across the processes that it passes through."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support.otlp_collector import OtlpCollector, Span, grouped, tree
from support.processes import WebProcess, WorkerProcess
from support.puppet import Strings
from support.relay import relay_socket
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes

Start = Callable[..., Any]
Call = Callable[..., Any]

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLIENT_TRACE, CLIENT_SPAN = CLIENT.split("-")[1:3]

RUN = ["claim", "invoke_agent support.puppet:reply", "commit"]
WEBHOOK_TREE = [
    "POST /twilio/turn/{n}", "  submit", "    run turn", *(f"      {name}" for name in RUN), "  await reply",
    "  answer",
]  # fmt: skip


def ids(spans: list[Span]) -> set[str]:
    return {span.trace_id for span in spans}


def test_the_spans_of_an_ingress_and_a_worker_are_one_trace(start: Start, collector: OtlpCollector, call: Call) -> None:
    web, _ = start(WebProcess), start(WorkerProcess)
    caller = call(web, "CA1")
    caller.ring()
    assert "blue" in caller.say(1, "blue").text
    trace = collector.wait_for("CA1", "turn-1", "run turn", "POST /twilio/turn/{n}")
    assert sorted(tree(trace)) == sorted(WEBHOOK_TREE)
    assert tree(trace)[0] == WEBHOOK_TREE[0]
    spans = {name: found for name, (found,) in grouped(trace).items()}
    assert {name: span.service.removeprefix("voiceagent-") for name, span in spans.items()} == {
        "POST /twilio/turn/{n}": "web", "submit": "web", "await reply": "web", "answer": "web",
        "run turn": "worker", "claim": "worker", "invoke_agent support.puppet:reply": "worker", "commit": "worker",
    }  # fmt: skip
    assert {span.kind for name, span in spans.items() if name in RUN} == {"INTERNAL"}
    assert [spans[name].kind for name in ("POST /twilio/turn/{n}", "submit", "run turn")] == [
        "SERVER", "PRODUCER", "CONSUMER",
    ]  # fmt: skip
    assert not any(span.is_failed or span.links for span in trace)


def test_a_trace_says_which_turn_it_was_and_nothing_that_was_said(
    start: Start, collector: OtlpCollector, call: Call
) -> None:
    web, _ = start(WebProcess), start(WorkerProcess)
    caller = call(web, "CA1")
    caller.ring()
    caller.say(1, "my secret canary is raised")
    spans = grouped(collector.wait_for("CA1", "turn-1", "run turn", "POST /twilio/turn/{n}"))
    turn = {"voiceagent.call_sid": "CA1", "voiceagent.turn_id": "turn-1", "voiceagent.kind": "speech"}
    (entry,), (run,), (agent,) = (
        spans[name] for name in ("POST /twilio/turn/{n}", "run turn", "invoke_agent support.puppet:reply")
    )
    assert entry.attributes == turn | {
        "http.request.method": "POST", "http.route": "/twilio/turn/{n}", "url.path": "/twilio/turn/1",
        "url.scheme": "http", "http.response.status_code": 200,
        "voiceagent.channel": "gather", "voiceagent.provider": "twilio", "voiceagent.outcome": "replied",
    }  # fmt: skip
    assert run.attributes.pop("voiceagent.state_bytes") > 100
    assert run.attributes == turn | {
        "voiceagent.attempt": 1, "voiceagent.epoch": 2, "voiceagent.worker_version": "v7",
        "voiceagent.channel": "gather", "voiceagent.outcome": "replied", "voiceagent.commit": "committed",
        "voiceagent.reply_characters": len("You said my secret canary is raised."),
    }  # fmt: skip
    assert agent.attributes == {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support.puppet:reply",
        "gen_ai.conversation.id": "CA1", "voiceagent.outcome": "replied",
    }  # fmt: skip
    exported = b"".join(collector.bodies)
    assert not any(secret in exported for secret in (b"canary", b"5558675310", b"5551234567"))


def test_one_process_without_redis_makes_the_same_trace(start: Start, collector: OtlpCollector, call: Call) -> None:
    web = start(WebProcess, USE_REDIS="false")
    caller = call(web, "CA1")
    caller.ring()
    caller.say(1, "blue")
    trace = collector.wait_for("CA1", "turn-1", "run turn", "POST /twilio/turn/{n}")
    assert sorted(tree(trace)) == sorted(WEBHOOK_TREE)
    assert {span.service for span in trace} == {"voiceagent-web"}


async def test_a_relay_turn_is_traced_from_the_frame_to_the_last_word(start: Start, collector: OtlpCollector) -> None:
    web, _ = start(WebProcess, VOICE_CHANNEL="relay"), start(WorkerProcess)
    async with relay_socket(web.url, token=None) as socket:
        await socket.setup("CA1")
        await socket.reply()
        await socket.prompt("blue")
        assert "blue" in await socket.reply()
        trace = collector.wait_for("CA1", "VX1-1", "run turn", "relay speech")
    expected = ["relay speech", *WEBHOOK_TREE[1:]]
    assert sorted(tree(trace)) == sorted(expected)
    spans = grouped(trace)
    (entry,), (agent,) = spans["relay speech"], spans["invoke_agent support.puppet:reply"]
    assert [entry.attributes[f"voiceagent.{name}"] for name in ("channel", "provider")] == ["relay", "twilio"]
    assert [event.name for event in entry.proto.events] == ["first words sent"]
    assert [event.name for event in agent.proto.events] == ["first word"]
    assert agent.proto.start_time_unix_nano <= agent.proto.events[0].time_unix_nano <= agent.proto.end_time_unix_nano
    assert spans["run turn"][0].attributes["voiceagent.channel"] == "relay"


def test_an_api_client_continues_its_own_trace(start: Start, collector: OtlpCollector) -> None:
    web, _ = start(WebProcess, API_KEY="key"), start(WorkerProcess)
    url, body = f"{web.url}/calls/C1/turns", {"turn_id": "t1", "text": "blue"}
    refused = httpx.post(url, json=body, headers={"traceparent": CLIENT, "authorization": "Bearer no"}, timeout=60)
    assert refused.status_code == 401
    httpx.post(url, json=body, headers={"traceparent": CLIENT, "authorization": "Bearer key"}, timeout=60)
    trace = collector.wait_for("C1", "t1", "run turn", "POST /calls/{call_sid}/turns")
    assert ids(trace) == {CLIENT_TRACE}
    (entry,) = grouped(trace)["POST /calls/{call_sid}/turns"]
    assert entry.parent_id == CLIENT_SPAN
    assert entry.attributes["voiceagent.channel"] == "api"
    assert len(grouped(trace)["run turn"]) == 1


def test_the_trace_of_a_webhook_is_only_linked_to(start: Start, collector: OtlpCollector, call: Call) -> None:
    web, _ = start(WebProcess), start(WorkerProcess)
    caller = call(web, "CA1")
    caller.ring(headers={"traceparent": CLIENT})
    trace = collector.wait_for("CA1", "start", "run turn", "POST /twilio/voice")
    assert ids(trace) != {CLIENT_TRACE}
    (entry,) = grouped(trace)["POST /twilio/voice"]
    assert (entry.parent_id, entry.links) == ("", [(CLIENT_TRACE, CLIENT_SPAN)])


def test_webhooks_that_come_again_and_fillers_are_in_the_turns_trace(
    start: Start, collector: OtlpCollector, call: Call, strings: Strings
) -> None:
    web, _ = start(WebProcess), start(WorkerProcess)
    caller = call(web, "CA1")
    caller.ring()
    caller.say(1, "blue")
    caller.say(1, "blue")
    filler = caller.say(2, "wait for it")
    strings.go("it")
    assert "You said" in caller.hear(filler)
    again = collector.wait_for("CA1", "turn-2", "run turn", "POST /twilio/turn/{n}/wait")
    assert len(grouped(again)["run turn"]) == 1
    assert grouped(again)["POST /twilio/turn/{n}"][0].attributes.get("voiceagent.outcome") is None
    first = collector.wait_for("CA1", "turn-1", "run turn", *["POST /twilio/turn/{n}"] * 2)
    assert len(grouped(first)["run turn"]) == 1


def test_the_second_run_of_a_turn_is_in_the_same_trace_and_links_to_the_first(
    start: Start, collector: OtlpCollector, call: Call, strings: Strings
) -> None:
    web, worker = start(WebProcess), start(WorkerProcess)
    caller = call(web, "CA1")
    caller.ring()
    caller.say(1, "blue")
    answer = caller.say(2, "wait for it")
    wait_until_sync(lambda: strings.is_running("it"), "the agent is running")
    worker.kill()
    start(WorkerProcess)
    strings.go("it")
    assert "You said" in caller.hear(answer)
    trace = collector.wait_for("CA1", "turn-2", "run turn", "submit", "POST /twilio/turn/{n}")
    (second,) = grouped(trace)["run turn"]
    assert (second.attributes["voiceagent.attempt"], second.attributes["voiceagent.outcome"]) == (2, "replied")
    first = [link for link in second.links if link[0] == second.trace_id]
    assert len(first) == 1
    assert second.parent_id in {span.span_id for span in grouped(trace)["submit"]}
