"""The audit of a call on a relay: each word that was heard tells which run of the agent has said it."""

from itertools import groupby, pairwise, zip_longest
from typing import Any

from soak.journal import CallJournal, Exchange, HeardWord
from soak.living import FIRST_OWN_NUMBER
from soak.script import SENTENCE, words_in
from soak.verdict import Verdict

Record = dict[str, Any]

MOST_LOST_WORDS = 3
"""How many words a session may have sent into a socket that was dead before it noticed."""


def compare_relay(journal: CallJournal, turns: list[Record], verdict: Verdict) -> None:
    """What was sent and heard, against the recorded turns."""
    verdict.relay["calls"] += 1
    verdict.relay["sockets lost"] += journal.sessions - 1
    verdict.relay["sockets dropped by callers"] += journal.drops
    spoken = [record for record in turns if record["kind"] in ("started", "speech")]
    _compare_order(journal, spoken, verdict)
    known = {record["text"] for record in spoken}
    for exchange, following in zip_longest(journal.exchanges, journal.exchanges[1:]):
        records = [record for record in spoken if record["text"] == exchange.text]
        said_over = following if following is not None and following.text not in known else None
        _compare(journal, exchange, records, verdict, lost_words=said_over)
    of_callers = [word for word in journal.words if word.word.number < FIRST_OWN_NUMBER]
    for earlier, later in pairwise(of_callers):
        if later.word.number < earlier.word.number:
            outcomes = {r["text"]: (r["outcome"], r["heard"]) for r in spoken}
            verdict.dead.append(
                f"{journal.call_sid}: {later} was heard after {earlier}; sent {journal.exchanges}, recorded {outcomes}"
            )


def _compare_order(journal: CallJournal, spoken: list[Record], verdict: Verdict) -> None:
    sent = [exchange.text for exchange in journal.exchanges]
    recorded = [record["text"] for record in spoken]
    known = set(recorded)
    if recorded != [text for text in sent if text in known]:
        kind = verdict.doubled if len(known) < len(recorded) else verdict.reordered
        kind.append(f"{journal.call_sid}: sent {sent}, recorded {recorded}")


def _compare(
    journal: CallJournal, exchange: Exchange, records: list[Record], verdict: Verdict, *, lost_words: Exchange | None
) -> None:
    """`lost_words` is what the caller said next, if it never reached the state."""
    where = f"{journal.call_sid}: {exchange.turn_id}"
    heard = [word for word in journal.words if word.word.number == exchange.number]
    if not records:
        if heard or exchange.session == journal.sessions:
            sent = [(e.turn_id, e.session, e.sent_at, e.heard) for e in journal.exchanges]
            verdict.lost.append(f"{where} is not in the state; it was said in session {exchange.session} of {sent}")
        else:
            verdict.relay["prompts lost with their socket"] += 1
        return
    record = records[0]
    if exchange.heard == "cut off":
        verdict.relay["replies cut off"] += 1
        _compare_cut(where, journal, exchange, record, heard, verdict, lost_words)
    elif exchange.heard == "reply" and record["outcome"] == "replied":
        _compare_text(where, record, heard, verdict)
    compare_runs(where, record, heard, verdict)
    said_out = [word for word in heard if exchange.cut_at is None or word.at <= exchange.cut_at]
    compare_places(where, record, said_out, verdict)


def _compare_text(where: str, record: Record, heard: list[HeardWord], verdict: Verdict) -> None:
    recorded = words_in(record["reply"]["text"])
    if {word.run for word in recorded} != {recorded[0].run if recorded else ""}:
        verdict.wrong.append(f"{where} is recorded as a mixture of runs: {record['reply']['text']}")
    elif heard[-1].word not in recorded:
        verdict.dead.append(f"{where} ended with {heard[-1].word}, and is recorded as {record['reply']['text']}")


def _compare_cut(
    where: str,
    journal: CallJournal,
    exchange: Exchange,
    record: Record,
    heard: list[HeardWord],
    verdict: Verdict,
    lost_words: Exchange | None,
) -> None:
    """After the interruption nothing is heard but what had been sent before it arrived, and is counted. The state keeps
    what the provider said.

    Was the socket lost into which the caller spoke, and with it their words, then nobody knows of the interruption: the
    reply is said again over the sockets that follow, until it was surely heard.
    """
    assert exchange.cut_at is not None
    after = [word for word in heard if word.at > exchange.cut_at]
    late = [word for word in after if not word.unaware]
    verdict.relay["words in flight at an interruption"] += len(after) - len(late)
    told = [word for word in words_in(exchange.utterance or "") if word.number == exchange.number]
    kept = words_in(record["heard"] if record["heard"] is not None else record["reply"]["text"])
    if late and late[0].session > exchange.cut_in and lost_words is not None:
        verdict.relay["interruptions lost with their socket"] += 1
    elif late:
        times = [(word.word.place, word.at, word.session) for word in late]
        verdict.dead.append(
            f"{where} was cut off at {exchange.cut_at} in session {exchange.cut_in}, and heard later: {times}; "
            f"recorded {record['outcome']}, heard {record['heard']!r}; sent {journal.exchanges}"
        )
    if told and exchange.cut_in == journal.sessions and kept[-len(told) :] != told:
        verdict.wrong.append(f"{where} was heard as {exchange.utterance!r}, and the state says {record}")


def compare_runs(where: str, record: Record, heard: list[HeardWord], verdict: Verdict) -> None:
    """A run that has been followed by another one is never heard again."""
    runs = [run for run, _ in groupby(heard, key=lambda word: word.word.run)]
    if len(runs) > len(set(runs)):
        verdict.dead.append(f"{where} was heard of runs in the order {runs}, and is recorded as {record['reply']}")
    verdict.relay["replies heard of two runs"] += len(runs) > 1


def compare_places(where: str, record: Record, heard: list[HeardWord], verdict: Verdict) -> None:
    """No word is left out or said twice: but a new session goes on where the last one was cut off, or begins with a
    sentence that was not all heard; and another run of the agent, which says something else, from its beginning.

    A provider that opens a lost socket again by itself speaks on meanwhile (docs/relay.md): what was sent into the dead
    socket is lost then, and a reply is said again if the ingress is dead that knew what it had sent.
    """
    reached = -1
    for (session, _), group in groupby(heard, key=lambda word: (word.session, word.word.run)):
        told = list(group)
        for number, stretch in enumerate(_stretches(told)):
            first = stretch[0].word.place
            begins_sentence, left_out = first % SENTENCE == 0, first - reached - 1
            if session > 1 and 0 < left_out <= MOST_LOST_WORDS:
                verdict.relay["words lost in a dead socket"] += left_out
            elif session > 1 and number and left_out <= 0 and begins_sentence:
                verdict.relay["replies said again over a socket that came back"] += 1
            else:
                if number or (not begins_sentence and left_out != 0):
                    verdict.wrong.append(f"{where} was heard in the order {told}, and is recorded as {record}")
                if left_out > 0:
                    verdict.lost.append(f"{where}: before {stretch[0]} words were left out; it is recorded as {record}")
            reached = max(reached, stretch[-1].word.place)


def _stretches(words: list[HeardWord]) -> list[list[HeardWord]]:
    """Return the words in parts, each of words that follow one another."""
    parts: list[list[HeardWord]] = []
    for word in words:
        if parts and word.word.place == parts[-1][-1].word.place + 1:
            parts[-1].append(word)
        else:
            parts.append([word])
    return parts
