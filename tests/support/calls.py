"""Holding a call on a simulated line from start to end."""

from contextlib import aclosing

from orchestrator.provider_simulator import Asked, Event, PhoneLine, Recording


async def hold(line: PhoneLine, *answers: str) -> list[Event]:
    """Make the call, giving one of `answers` to each question or recording; `#1` is a key, `` silence; then hang up."""
    waiting = list(answers)
    events: list[Event] = []
    async with aclosing(line.call()) as call:
        async for event in call:
            events.append(event)
            if isinstance(event, Asked | Recording):
                give(line, waiting.pop(0) if waiting else None)
    return events


def give(line: PhoneLine, answer: str | None) -> bool:
    """Give one answer; None hangs up."""
    if answer is None:
        line.hang_up()
        return True
    if answer.startswith("#"):
        return line.answer_keys(answer[1:])
    return line.answer_speech(answer) if answer else line.answer_silence()
