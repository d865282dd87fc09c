"""One word means one thing: words that were retired do not come back as names.

`docs/design.md` has the words that are used. A name is split at underscores and capitals, and each part is looked up.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.source_trees import MODULES, PACKAGES, REPOSITORY, nodes_of

RETIRED = {
    "afresh": "restarted",
    "amid": "during",
    "audience": "subscribers",
    "beat": "heartbeat",
    "board": "snapshot",
    "buried": "dead_lettered",
    "bury": "dead_letter",
    "campaign": "load run",
    "deed": "inline action",
    "deeds": "inline actions",
    "desk": "record of a call, tool calls of a turn",
    "ear": "listener",
    "examine": "inspect",
    "errand": "outbound context",
    "feeder": "fetcher",
    "genuine": "signature check",
    "handover": "submit, release, transfer or take over: whichever is meant",
    "hopeless": "cannot start",
    "hush": "silence timer",
    "immortal": "without TTL",
    "leash": "die with parent",
    "ledger": "results",
    "linger": "close grace",
    "manner": "speech options",
    "manners": "quirks",
    "mouth": "playout",
    "paint": "colors",
    "passage": "part queue",
    "patience": "timeout, hedging",
    "performance": "run",
    "performances": "runs",
    "persona": "prompt",
    "pulse": "heartbeat",
    "receipts": "idempotency records",
    "refugee": "local call",
    "refugees": "local calls",
    "roster": "worker list",
    "roving": "any node",
    "steady": "cancel safe, stable",
    "stray": "orphan",
    "strays": "orphans",
    "surrender": "give up a hold",
    "switchboard": "session registry",
    "temper": "behaviour",
    "toolbox": "toolset",
    "undecided": "paused",
    "unsaid": "unheard",
    "vain": "timed out",
    "verdict": "interrupt grace",
    "vitals": "system status",
}
"""Retired word → what to say instead."""

RETIRED_NAMES = {
    "ClusterWire": "MultiplexedCluster",
    "LineLost": "ConnectionLost",
    "Speaker": "ReplyStreamer",
    "claim_share": "fetch",
    "command_of": "sender_for",
    "gives_up": "release",
    "left_unsaid": "unheard_rests",
    "not_surely_heard": "text_to_repeat",
    "on_taken_over": "IngressEvents.taken_over",
    "put_off": "retry_later",
    "rescue_for_ever": "rescue_calls",
    "shared_runtime": "redis_runtime",
    "take_in": "add",
    "while_away": "while_down",
}
"""Retired name, whole → what it is called now."""

KEPT: dict[str, str] = {
    "heart_beat": "a method of arq's worker",
}
"""Names with a retired word that stay, and why: they are stored, on the wire, or in users' hands."""

PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def names_in(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of everything that is named in a module."""
    for node in nodes_of(path):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.value.lineno, name


def words_of(name: str) -> set[str]:
    """Return the parts of a name in lower case: `_heldUntil`, `HELD_UNTIL` → held, until."""
    return {part.lower() for part in PART.findall(name)}


def test_the_parts_of_a_name_are_its_words() -> None:
    assert words_of("_RelaySession") == words_of("RELAY_SESSION") == words_of("relay_session") == {"relay", "session"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_retired_word_is_a_name(package: str) -> None:
    found = []
    for path in MODULES:
        module = path.relative_to(REPOSITORY).as_posix()
        if not module.startswith(f"{package}/"):
            continue
        names = [(0, module.removesuffix(".py").replace("/", "_")), *names_in(path)]
        found += [
            f"{module}:{line} {name}: say {RETIRED[word]!r} instead of {word!r}"
            for line, name in dict.fromkeys(names)
            if name not in KEPT
            for word in words_of(name) & RETIRED.keys()
        ]
        found += [
            f"{module}:{line} {name} is {RETIRED_NAMES[name]!r} now"
            for line, name in dict.fromkeys(names)
            if name in RETIRED_NAMES
        ]
    assert not found, "docs/design.md has the words\n" + "\n".join(found)
