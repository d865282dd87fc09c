"""API keys: what they may do, and how `API_KEYS` says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api_keys.key import SCOPES, ApiKey, digest_of, find_key, keys_in, new_key

DIGEST = digest_of(b"secret")


def test_a_new_key_is_found_by_its_secret_and_by_no_other() -> None:
    secret, key = new_key("reporting", ["read"])
    (read,) = keys_in(key.entry)
    assert read == key
    assert find_key([read], secret.encode()) == key
    assert find_key([read], secret[:-1].encode()) is None
    assert secret not in key.entry


def test_two_new_keys_have_different_secrets() -> None:
    assert new_key("a", ["read"])[0] != new_key("a", ["read"])[0]


def test_a_key_may_what_its_scopes_say_and_an_admin_everything() -> None:
    reading = ApiKey("a", frozenset({"read", "dial"}), DIGEST)
    assert [scope for scope in SCOPES if reading.may(scope)] == ["read", "dial"]
    assert all(ApiKey("b", frozenset({"admin"}), DIGEST).may(scope) for scope in SCOPES)


def test_several_keys_are_separated_by_commas_and_blanks_do_not_matter() -> None:
    keys = keys_in(f" a:read:{DIGEST} ,, b:dial+control:{DIGEST.upper()},")
    assert [(key.name, sorted(key.scopes), key.digest) for key in keys] == [
        ("a", ["read"], DIGEST),
        ("b", ["control", "dial"], DIGEST),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("secret", "voiceagent api-keys new"),
        (f"a:write:{DIGEST}", "unknown scope"),
        (f"a::{DIGEST}", "unknown scope"),
        (f":read:{DIGEST}", "bad name"),
        (f"{'a' * 41}:read:{DIGEST}", "bad name"),
        ("a:read:abc", "no SHA-256 for a"),
        (f"a:read:{DIGEST},a:dial:{DIGEST}", "two keys of the name a"),
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        keys_in(text)
    assert DIGEST not in str(refused.value)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        keys = keys_in(text)
    except ValueError:
        return
    assert keys_in(",".join(key.entry for key in keys)) == keys
