"""Rates as settings write them."""

import pytest

from orchestrator.errors import BadSetting
from orchestrator.rate_limits.rate import Rate, rate_in
from orchestrator.settings import load_settings


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/minute", Rate(600, 60)),
        (" 5 / Second ", Rate(5, 1)),
        ("1/day", Rate(1, 86400)),
        ("1000000/hour", Rate(1_000_000, 3600)),
        ("OFF", None),
    ],
)
def test_a_rate_is_a_number_in_a_time(text: str, rate: Rate | None) -> None:
    assert rate_in(text) == rate


@pytest.mark.parametrize(
    "text", ["0/minute", "-1/minute", "60", "60/", "/minute", "60/week", "1e3/day", "٣/day", "1000001/day"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="600/minute"):
        rate_in(text)


@pytest.mark.parametrize("name", ["api_rate_limit", "caller_rate_limit", "destination_rate_limit"])
def test_a_setting_that_is_no_rate_stops_the_process_and_says_why(name: str) -> None:
    with pytest.raises(BadSetting, match=f"{name.upper()}.*600/minute"):
        load_settings(_env_file=None, **{name: "many"})
