"""The version that workers run under: part of Redis keys, and of what operators type."""

import pytest

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings, load_settings
from orchestrator.version import SHORT_COMMIT, code_version

SENTENCE = "it must have 1 to 64 characters: letters, digits, and any of . _ + -"


def settings_of(**given: str) -> Settings:
    return load_settings(_env_file=None, **given)


@pytest.mark.parametrize("name", ["a", "1.4.0", "2026-11-26_2", "v1+build.7", "0123456789abcdef", "x" * 64])
def test_a_version_is_a_name_that_a_key_can_hold(name: str) -> None:
    assert code_version(settings_of(worker_version=name)) == name


@pytest.mark.parametrize("name", ["x" * 65, "a b", "a:b", "{a}", "a/b", "a\nb", "é", "١"])
def test_anything_else_stops_the_process_with_one_sentence(name: str) -> None:
    with pytest.raises(BadSetting) as refused:
        settings_of(worker_version=name)
    assert str(refused.value) == f"WORKER_VERSION: got {name!r}; {SENTENCE}"


def test_the_commit_that_render_deployed_is_shortened() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert code_version(settings_of(render_git_commit=commit)) == commit[:SHORT_COMMIT]
    assert code_version(settings_of(render_git_commit=commit, worker_version="mine")) == "mine"


def test_a_commit_that_is_no_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_version(settings_of(render_git_commit="{what}")) == code_version(settings_of())


@pytest.mark.parametrize("policy", ["pinned", "auto", "AUTO"])
def test_calls_are_pinned_or_follow_the_plan(policy: str) -> None:
    assert settings_of(worker_versioning=policy).worker_versioning == policy.lower()


def test_another_policy_is_refused() -> None:
    with pytest.raises(BadSetting, match="WORKER_VERSIONING: got 'sticky'; it must be pinned or auto"):
        settings_of(worker_versioning="sticky")
