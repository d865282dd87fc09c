"""Who speaks on a relay, by the routes of this machine."""

from pathlib import Path

import pytest
from support.ingress import settings_with

from orchestrator.cli.speaker_names import SpeakerNames
from orchestrator.provider_simulator import SpeakerChanged

ROUTES = """
[agents.reception]
agent = "echo"
language = "en-US"
voice = "Polly.Joanna"

[agents.billing]
agent = "echo"
language = "sv-SE"

[agents.copy]
like = "reception"
language = "en-GB"

[agents.second_copy]
like = "copy"

[[routes]]
number = "*"
agent = "reception"
"""


@pytest.mark.parametrize(
    ("speaker", "name"),
    [
        (SpeakerChanged(voice="Joanna", language="en-us"), "reception"),
        (SpeakerChanged(voice="Elin", language="sv-SE"), "billing"),
        (SpeakerChanged(voice="Joanna", language="en-GB"), ""),
        (SpeakerChanged(voice="Joanna", language="fi-FI"), ""),
        (SpeakerChanged(language="sv-SE"), ""),
        (SpeakerChanged("night", "Joanna", "en-US"), "night"),
    ],
)
def test_an_agent_is_known_by_its_language_and_voice(tmp_path: Path, speaker: SpeakerChanged, name: str) -> None:
    (tmp_path / "routes.toml").write_text(ROUTES)
    names = SpeakerNames(settings_with(routes=str(tmp_path / "routes.toml"), voice="Elin"))
    assert names.name_of(speaker) == name


def test_without_routes_only_what_the_document_says_is_known() -> None:
    names = SpeakerNames(settings_with())
    assert names.name_of(SpeakerChanged(voice="Joanna", language="en-US")) == ""
    assert names.name_of(SpeakerChanged("billing", "Joanna")) == "billing"
