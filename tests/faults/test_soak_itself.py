"""The soak must end whatever becomes of its faults, and find fault with the product alone."""

import asyncio
import dataclasses
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from soak.faults import WEIGHTS, Faults, Planned, SoakFailed
from soak.journal import CallJournal, Exchange, HeardWord
from soak.relay_audit import compare_places, compare_relay
from soak.relay_callers import SpokenLog
from soak.run import TOPOLOGIES, soak
from soak.script import WORDS, Word
from soak.verdict import Verdict
from support.cluster import ClusterTopology
from support.deployment import Deployment
from support.sentinels import SentinelTopology
from support.servers import RedisServer

from orchestrator.provider_simulator import PhoneLine


class Failing(Faults):
    """Its only fault fails."""

    async def _to_network(self, fault: Planned) -> None:
        raise AssertionError("no other master is named")


class Endless(Faults):
    """Its only fault never ends, as one whose thread raises `StopIteration`, which no future can carry."""

    async def _to_network(self, fault: Planned) -> None:
        await asyncio.Event().wait()


def quiet() -> Any:
    return SimpleNamespace(proxy=SimpleNamespace(tell=lambda command: None), workers=[], webs=[])


def planned(kind: str = "all cut") -> list[Planned]:
    return [Planned(kind, 0, 0, 0, "submit")]


async def test_a_fault_that_raises_ends_the_faults_and_is_named():
    with pytest.raises(SoakFailed, match="'all cut' could not be done: "):
        async with asyncio.timeout(20):
            await Failing(quiet()).inject(planned())


async def test_a_fault_that_never_ends_is_given_up():
    with pytest.raises(SoakFailed, match=r"'all cut' was not over in 0\.05 s"):
        async with asyncio.timeout(20):
            await Endless(quiet(), fault_seconds=0.05).inject(planned())


@pytest.mark.processes
async def test_the_soak_ends_when_a_fault_does_not(monkeypatch):
    endless = partial(Endless, fault_seconds=1.0)
    monkeypatch.setitem(TOPOLOGIES, "standalone", (Deployment, endless, {"all cut": WEIGHTS["all cut"]}))
    with pytest.raises(SoakFailed, match="'all cut' was not over"):
        async with asyncio.timeout(120):
            await soak(seed=1, seconds=20, callers=4, every=0.2)


@pytest.mark.processes
async def test_a_sentinel_that_names_an_unknown_master_is_an_error_a_thread_can_tell():
    with SentinelTopology() as topology:
        topology.servers.clear()
        async with asyncio.timeout(20):
            with pytest.raises(LookupError, match="is none of ours"):
                await asyncio.to_thread(topology.master)


@pytest.mark.processes
async def test_a_slot_that_nobody_serves_is_an_error_a_thread_can_tell():
    topology = ClusterTopology()
    with RedisServer("--cluster-enabled", "yes") as node:
        topology.nodes.append(node)
        async with asyncio.timeout(20):
            with pytest.raises(LookupError, match="serves slot 7"):
                await asyncio.to_thread(topology.owner, 7)


def heard(number: int, places: range, at: float, *, unaware: bool = False, run: str = "aaaa") -> list[HeardWord]:
    return [HeardWord(Word(number, run, place), at, 1, unaware) for place in places]


def text_of(words: list[HeardWord]) -> str:
    return " ".join(f"{w.word.number:02}-{w.word.run}-{w.word.place:02}" for w in words)


def record(exchange: Exchange, outcome: str, reply: str, heard: str | None = None) -> dict[str, Any]:
    kind = "started" if exchange.number == 0 else "speech"
    return {"kind": kind, "text": exchange.text, "outcome": outcome, "heard": heard, "reply": {"text": reply}}


def cut_off_call(after: list[HeardWord], *, over_is_lost: bool = False) -> Verdict:
    """What is found about a call whose caller spoke over the first reply at 10.0, and heard `after` from then on.

    With `over_is_lost` what they said then never reached the state, and they said something else afterwards.
    """
    journal = CallJournal("CA1", "relay")
    said = heard(1, range(4), 9.0)
    journal.words = [*said, *after, *heard(2, range(WORDS), 90.0)]
    journal.sessions = max(word.session for word in journal.words)
    first = Exchange("number-1", "number 1", 8.0, number=1, heard="cut off", cut_at=10.0, cut_in=1)
    second = Exchange("number-2", "number 2", 10.0, number=2, heard="reply", answered_at=91.0)
    over = [Exchange("number-7", "number 7", 10.0, number=7)] if over_is_lost else []
    journal.exchanges = [first, *over, second]
    verdict = Verdict()
    whole = text_of(heard(2, range(WORDS), 0.0))
    compare_relay(
        journal, [record(first, "interrupted", text_of(said), text_of(said)), record(second, "replied", whole)], verdict
    )
    return verdict


def test_words_that_were_sent_before_the_interruption_arrived_are_no_finding_however_late_they_are_spoken():
    verdict = cut_off_call(heard(1, range(4, 8), 45.0, unaware=True))
    assert verdict.findings == []
    assert verdict.relay["words in flight at an interruption"] == 4


def test_words_that_were_sent_after_the_interruption_arrived_are_a_finding_however_early():
    assert len(cut_off_call(heard(1, range(4, 5), 10.01)).dead) == 1


def over_new_sockets() -> list[HeardWord]:
    """The rest of the reply, said again over two sockets that follow."""
    return [dataclasses.replace(word, session=session) for session in (2, 3) for word in heard(1, range(WORDS), 20.0)]


def test_a_reply_is_said_again_where_the_interruption_of_it_was_lost_with_its_socket():
    verdict = cut_off_call(over_new_sockets(), over_is_lost=True)
    assert verdict.findings == []
    assert verdict.relay["interruptions lost with their socket"] == 1


def test_a_reply_that_is_said_again_though_the_words_over_it_are_in_the_state_is_a_finding():
    assert len(cut_off_call(over_new_sockets()).dead) == 1


def test_a_reply_that_goes_on_over_the_socket_into_which_its_caller_spoke_is_a_finding():
    assert len(cut_off_call(heard(1, range(4, 8), 12.0), over_is_lost=True).dead) == 1


def places(verdict_of: list[tuple[int, range]]) -> Verdict:
    """The verdict on a reply of which these places were heard, each range in that session."""
    verdict = Verdict()
    words = [
        HeardWord(Word(1, "aaaa", place), 0.1 * place, session, unaware=False)
        for session, part in verdict_of
        for place in part
    ]
    compare_places("here", {}, words, verdict)
    return verdict


@pytest.mark.parametrize(
    "told",
    [
        [(1, range(WORDS))],
        [(1, range(6)), (2, range(6, WORDS))],
        [(1, range(6)), (2, range(4, WORDS))],
        [(1, range(3)), (2, range(3, 5)), (2, range(6, WORDS))],
        [(2, range(7, WORDS)), (2, range(4))],
    ],
    ids=["whole", "goes on", "the sentence again", "a word lost in a dead socket", "said again by another ingress"],
)
def test_how_a_reply_may_be_heard_is_no_finding(told):
    told = [(1, range(7)), *told] if told[0][1].start == 7 else told
    verdict = places(told)
    assert (verdict.wrong, verdict.lost) == ([], [])


@pytest.mark.parametrize(
    "told",
    [
        [(1, range(3)), (1, range(4, WORDS))],
        [(1, range(WORDS)), (1, range(4))],
        [(1, range(3)), (2, range(8, WORDS))],
        [(1, range(6)), (2, range(5, WORDS))],
        [(1, range(3)), (2, range(3, 6)), (2, range(5, WORDS))],
    ],
    ids=["a word left out", "twice", "a sentence left out", "amid a sentence", "amid a sentence, later"],
)
def test_how_a_reply_may_not_be_heard_is_a_finding(told):
    verdict = places(told)
    assert verdict.wrong or verdict.lost


async def test_nothing_is_said_into_a_dead_line():
    journal = CallJournal("CA1", "relay")
    journal.exchanges.append(Exchange("start", "", 0.0, sound_at=0.0))
    line, clock = PhoneLine("http://127.0.0.1:9"), asyncio.get_running_loop().time
    ear = SpokenLog(journal, line, clock, str, dead_line_seconds=0.05)
    assert await ear.speak("number 1", 1) is None
    assert [exchange.turn_id for exchange in journal.exchanges] == ["start"]
    assert journal.exchanges[0].heard == "nothing"
    assert "nobody took the line" in journal.complaints[0]
