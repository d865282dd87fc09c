"""What is encrypted can be read by who has the key, at its place, unchanged, and by nobody else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.encryption.envelope import Envelope, is_sealed
from orchestrator.encryption.keys import key_list, new_key
from orchestrator.errors import UnreadableSeal

ONE, TWO = new_key(), new_key()
PLACE = "voiceagent:state:CA1"


def cipher(*keys: str) -> Cipher:
    return Cipher(key_list(",".join(keys)))


@given(content=st.binary(max_size=300), version=st.integers(min_value=0))
def test_what_is_sealed_is_opened_again(content, version):
    sealed = cipher(ONE).seal(PLACE, content, {"version": version})
    assert is_sealed(sealed)
    assert cipher(ONE).open(PLACE, sealed) == content
    assert json.loads(sealed)["version"] == version
    assert sealed.startswith(b'{"version":%d,' % version)


def test_the_words_are_not_in_what_is_stored():
    assert b"Ada" not in cipher(ONE).seal(PLACE, b'{"text":"Ada"}')


def test_without_a_key_nothing_changes():
    assert NO_CIPHER.seal(PLACE, b'{"version":1}', {"version": 1}) == b'{"version":1}'
    assert NO_CIPHER.open(PLACE, b'{"version":1}') == b'{"version":1}'


def test_a_process_without_keys_says_that_one_is_missing():
    with pytest.raises(UnreadableSeal) as raised:
        NO_CIPHER.open(PLACE, cipher(ONE).seal(PLACE, b"words"))
    assert raised.value.is_key_missing


def test_the_first_key_encrypts_and_all_decrypt():
    sealed = cipher(ONE).seal(PLACE, b"words")
    assert cipher(TWO, ONE).open(PLACE, sealed) == b"words"
    assert not cipher(TWO, ONE).is_current(sealed)
    assert cipher(ONE, TWO).is_current(sealed)
    with pytest.raises(UnreadableSeal) as raised:
        cipher(TWO).open(PLACE, sealed)
    assert raised.value.is_key_missing


def test_a_value_cannot_be_moved_or_changed():
    sealed = cipher(ONE).seal(PLACE, b"words", {"version": 1})
    envelope = Envelope.unpack(sealed)
    assert envelope is not None
    for moved, changed in [
        ("voiceagent:state:CA2", sealed),
        (PLACE, sealed.replace(b'"version":1', b'"version":2')),
        (
            PLACE,
            Envelope(
                envelope.front, envelope.key_id, envelope.salt, envelope.counter, envelope.ciphertext[:-1] + b"\0"
            ).pack(),
        ),
        (PLACE, sealed[:-6] + sealed[-2:]),
    ]:
        with pytest.raises(UnreadableSeal) as raised:
            cipher(ONE).open(moved, changed)
        assert not raised.value.is_key_missing


def test_plain_values_are_read_only_if_the_list_says_so():
    assert cipher("plain", ONE).seal(PLACE, b"{}") == b"{}"
    assert cipher("plain", ONE).open(PLACE, cipher(ONE).seal(PLACE, b"words")) == b"words"
    assert cipher(ONE, "plain").open(PLACE, b"{}") == b"{}"
    with pytest.raises(UnreadableSeal):
        cipher(ONE).open(PLACE, b"{}")


def test_no_two_values_of_a_process_share_a_nonce():
    sealing = cipher(ONE)
    counters = {Envelope.unpack(sealing.seal(PLACE, b"x")).counter for _ in range(200)}  # type: ignore[union-attr]
    assert len(counters) == 200
    other = Envelope.unpack(cipher(ONE).seal(PLACE, b"x"))
    assert other is not None
    assert other.salt != Envelope.unpack(sealing.seal(PLACE, b"x")).salt  # type: ignore[union-attr]


BAD_LISTS = {
    "nothing": "",
    "no base64": "abc",
    "a key twice": f"{ONE},{ONE}",
    "plain twice": f"plain,plain,{ONE}",
    "too short": ONE[:-8],
    "too many": ",".join(new_key() for _ in range(9)),
}


@pytest.mark.parametrize("text", BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_bad_lists_of_keys_are_refused(text):
    with pytest.raises(ValueError, match="must"):
        key_list(text)


def test_plain_alone_encrypts_nothing():
    assert key_list("plain").first is None
