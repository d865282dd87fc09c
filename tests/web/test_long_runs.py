"""Parsers of strangers' text take time that is linear in its length, whatever the text is."""

import time
from collections.abc import Callable
from datetime import datetime

import pytest

from orchestrator.agents.receptionist.booking_form import BookingForm
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.routing import route_input
from orchestrator.logs import redact
from orchestrator.masking import masked
from orchestrator.provider_simulator.playback import PlaybackSpeed
from web.twilio.relay.playout_clock import text_to_repeat
from web.twilio.sentences import pieces

SMALL, LARGE = 4_500, 72_000
"""Characters. A text of up to 4,000 is not cut at all, which says nothing about how the work grows."""
MOST_GROWTH = 64
"""Sixteen times the text must be about sixteen times the work; quadratic work would be 256 times."""


def whole(text: str) -> object:
    return pieces(text, limit_bytes=10**9)


def half_heard(text: str) -> object:
    return text_to_repeat(text, len(text) / 15)


def heard_by_the_receptionist(text: str) -> object:
    return route_input(Dialogue(BookingForm(), "open", datetime(2026, 11, 23)), text)


READERS = (whole, half_heard, redact, masked, heard_by_the_receptionist, PlaybackSpeed(characters_per_second=15).pieces)
RUNS = (
    "sip:", "sip%3A", "client:", "+1 ", "+1-", "%2B",
    "!", ".)", '!"', "。", "a.", "a+", "://", "://a", "@", " ", "\n", "a ", "five ", "what ", "\u00a0", "S as in ",
)  # fmt: skip


def counted(text: str) -> int:
    return sum(1 for _ in text)


def fastest_seconds(reader: Callable[[str], object], text: str) -> float:
    """Return the CPU time of this thread: other processes do not count."""
    best = float("inf")
    for _ in range(3):
        begun = time.thread_time()
        reader(text)
        best = min(best, time.thread_time() - begun)
    return best


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize("run", RUNS)
def test_a_long_run_takes_time_in_step_with_its_length(reader: Callable[[str], object], run: str) -> None:
    small, large = (fastest_seconds(reader, (run * size)[:size] + "x") for size in (SMALL, LARGE))
    least = fastest_seconds(counted, "x" * LARGE) / 2  # a short text may take next to nothing
    assert large < MOST_GROWTH * max(small, least)
