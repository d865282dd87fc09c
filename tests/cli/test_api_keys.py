"""`voiceagent api-keys`: makes keys, and lists those that are set."""

import json

import pytest

from orchestrator.api_keys.key import find_key, keys_in, new_key
from orchestrator.cli.main import main


def test_a_new_key_is_printed_for_the_client_and_for_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["api-keys", "new", "reporting", "read", "dial", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    key = find_key(keys_in(made["entry"]), made["secret"].encode())
    assert key is not None
    assert (key.name, sorted(key.scopes)) == ("reporting", ["dial", "read"])


@pytest.mark.parametrize("words", [["new"], ["new", "a"], ["new", "a b", "read"], ["new", "a", "write"], ["list", "a"]])
def test_wrong_usage_says_what_is_right(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["api-keys", *words])
    assert left.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_keys_that_are_set_are_listed_without_their_hashes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = new_key("reporting", ["read"])
    monkeypatch.setenv("API_KEYS", key.entry)
    monkeypatch.setenv("API_KEY", "the whole")
    assert main(["api-keys"]) == 0
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()] == [
        ["NAME", "SCOPES"],
        ["API_KEY", "admin"],
        ["reporting", "read"],
    ]
    assert key.digest not in printed


def test_a_bad_entry_stops_with_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "reporting:read:nonsense")
    assert main(["api-keys"]) == 2
    assert "API_KEYS" in capsys.readouterr().err
