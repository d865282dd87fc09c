"""Several agents on several numbers, which hand calls to each other as the caller asks for it.

Who speaks says so: `billing: …` over webhooks and the API; on a relay by the letter at the end of each word.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from soak.script import GOODBYE, WORDS, note_run, number_in, spoken_words, thinking_seconds

from orchestrator.agents.protocol import Part
from orchestrator.conversation.actions import HandOff, HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

GREETING = "Hello, you are through."
SPEAKERS = {"reception": "r", "reception_next": "n", "billing": "b", "sales": "s"}
"""Name of an agent → the letter on a relay."""
HANDED_AT, BACK_AT = WORDS // 2, WORDS * 3 // 4
"""The place of the second agent's first word on a relay; of the first word after the call was given back."""

_OVER = re.compile(r"over to (\w+)( and back)?")


@dataclass(frozen=True, slots=True)
class Desk:
    """A number, whose it is, who may answer it first, and how many calls it takes at once (None: any number)."""

    number: str
    tenant: str
    first: tuple[str, ...]
    max_calls: int | None = None


NORTH = Desk("+15551230001", "north", ("reception", "reception_next"))
SOUTH = Desk("+15551230002", "south", ("billing",))
WEST = Desk("+15551230003", "west", ("sales",), max_calls=2)
DESKS = (NORTH, SOUTH, WEST)


def routes() -> str:
    """The text of a routes.toml."""
    agents = [
        f'[agents.{name}]\nagent = "soak.desks:answer"\nlanguage = "en-US"\nsettings = {{ name = "{name}" }}\n'
        for name in SPEAKERS
    ]
    numbers = []
    for desk in DESKS:
        limit = f"max_calls = {desk.max_calls}\n" if desk.max_calls is not None else ""
        split = f"split = {{ {' , '.join(f'{name} = 50' for name in desk.first)} }}\n" if len(desk.first) > 1 else ""
        numbers.append(
            f'[[routes]]\nnumber = "{desk.number}"\nagent = "{desk.first[0]}"\ntenant = "{desk.tenant}"\n{limit}{split}'
        )
    return "\n".join([*agents, *numbers])


def reply_of(agent: str, text: str) -> tuple[str, str]:
    """The right answer of all agents to a turn that `agent` gets, and who has the call then."""
    over = _OVER.search(text)
    if over is None:
        return f"{agent}: You said {text}, and that was all.", agent
    first, other = f"{agent}: You said {text}.", over[1]
    if over[2]:
        return f"{first} {other}: Right. {agent}: And that was all.", agent
    return f"{first} {other}: And that was all.", other


async def answer(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Repeat what was said; hand the call over, and back, if that was said. Effects: `seen`, and `taken` for what was
    taken over from another agent."""
    note_run(turn)
    name = state.settings.get("name", "nobody")
    wrong = _complaint(turn, state, name)
    if turn.kind == "speech":
        state.slots.setdefault("seen", []).append(turn.text)
    elif turn.kind == "handed_off":
        state.slots.setdefault("taken", []).append(f"{name}: {json.loads(turn.text)['said']}")
    state.phase = name
    if wrong:
        yield f"{name}: WRONG, {wrong}"
    elif state.channel == "relay":
        async for part in _marked(turn, name):
            yield part
    elif turn.kind == "started":
        yield f"{name}: {GREETING}"
    elif turn.kind in ("speech", "handed_off"):
        async for part in _spoken(turn, name):
            yield part


def _complaint(turn: Turn, state: ConversationState, name: str) -> str:
    """What is not as it must be when an agent gets a turn; "" for nothing."""
    if turn.kind != "handed_off":
        return "" if state.phase in ("", name) else f"the phase is {state.phase}"
    if state.phase:
        return f"the phase of the agent before is left: {state.phase}"
    hop = json.loads(turn.text)["hop"]
    return "" if turn.idempotency_key.endswith(f"/h{hop}") else f"the key is {turn.idempotency_key}"


async def _spoken(turn: Turn, name: str) -> AsyncIterator[Part]:
    note = json.loads(turn.text) if turn.kind == "handed_off" else None
    said = turn.text if note is None else note["said"]
    over = _OVER.search(said)
    words, onward = _sentence(name, said, note, over)
    for place, word in enumerate(words.split(" ")):
        yield word if place == 0 and note is None else f" {word}"
        await asyncio.sleep(thinking_seconds(said) / 16)
    if onward is not None:
        yield onward
    elif said.endswith(GOODBYE):
        yield HangUp()


def _sentence(
    name: str, said: str, note: dict[str, str] | None, over: re.Match[str] | None
) -> tuple[str, HandOff | None]:
    if over is None:
        return f"{name}: You said {said}, and that was all.", None
    if note is None:
        onward = HandOff(over[1], note=json.dumps({"said": said, "from": name, "hop": 1}))
        return f"{name}: You said {said}.", onward
    if over[2] and note["from"]:
        return f"{name}: Right.", HandOff(note["from"], note=json.dumps({"said": said, "from": "", "hop": 2}))
    return f"{name}: And that was all.", None


async def _marked(turn: Turn, name: str) -> AsyncIterator[Part]:
    if turn.kind not in ("started", "speech", "handed_off"):
        return
    note = json.loads(turn.text) if turn.kind == "handed_off" else None
    said = turn.text if note is None else note["said"]
    run = os.urandom(2).hex() if note is None else note["run"]
    begin = 0 if note is None else note["place"]
    over = _OVER.search(said)
    onward: HandOff | None = None
    end = WORDS
    if over is not None and note is None:
        end = HANDED_AT
        onward = HandOff(over[1], note=_note(said, name, 1, run, HANDED_AT))
    elif over is not None and over[2] and note is not None and note["from"]:
        end = BACK_AT
        onward = HandOff(note["from"], note=_note(said, "", 2, run, BACK_AT))
    places = range(begin, end)
    async for word in spoken_words(number_in(said), run, places, thinking_seconds(said), SPEAKERS[name]):
        yield word
    if onward is not None:
        yield onward
    elif said.endswith(GOODBYE):
        yield HangUp()


def _note(said: str, giver: str, hop: int, run: str, place: int) -> str:
    return json.dumps({"said": said, "from": giver, "hop": hop, "run": run, "place": place})
