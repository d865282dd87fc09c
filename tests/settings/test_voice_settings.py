"""How agents sound and hear by the environment."""

import pytest

from orchestrator.errors import BadSetting
from orchestrator.routes.voice_profile import VoiceProfile, environment_profile
from orchestrator.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path) -> None:
    """No variable of ours, and no `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_any_the_profile_leaves_everything_open() -> None:
    assert environment_profile(load_settings()) == VoiceProfile()


def test_each_variable_is_a_part_of_the_profile(monkeypatch) -> None:
    environment = {
        "VOICE": "Joanna-Neural", "LANGUAGE": "en-GB", "TTS_PROVIDER": "Amazon", "TRANSCRIPTION_PROVIDER": "Deepgram",
        "SPEECH_MODEL": "nova-3-general", "HINTS": "check-up, , a word ,", "PROFANITY_FILTER": "false",
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_profile(load_settings()) == VoiceProfile(
        "en-GB", "Joanna-Neural", "Amazon", "Deepgram", "nova-3-general", ("check-up", "a word"), False
    )


@pytest.mark.parametrize("value", ["en_US:en", "en_US.UTF-8", "C", "sv", "sv:en"])
def test_the_language_of_gettext_is_not_ours(monkeypatch, value) -> None:
    monkeypatch.setenv("LANGUAGE", value)
    assert load_settings().language is None


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BadSetting) as caught:
        load_settings(
            voice="<b>",
            language="x-",
            tts_provider="a b",
            transcription_provider="!",
            speech_model="ä",
            hints="x" * 4001,
        )
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "VOICE", "LANGUAGE", "TTS_PROVIDER", "TRANSCRIPTION_PROVIDER", "SPEECH_MODEL", "HINTS",
    ]  # fmt: skip
