"""The database with encryption keys: what lies in it, what is found, and rows under another key."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.recorded_calls import BEGUN, ended, event, keep, turn, written

pytest.importorskip("asyncpg", reason="wants the extra `postgres`")

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.encryption.keys import key_list, new_key
from orchestrator.errors import ArchiveUnavailable, NoTextSearch
from orchestrator.records.archive import Archive
from orchestrator.records.database import Database
from orchestrator.records.record_query import record_query
from orchestrator.records.rotation import rotate_rows, row_key_use
from orchestrator.records.sealed_rows import SealedRows

KEY, OTHER_KEY = new_key(), new_key()
FIRST, SECOND = key_list(KEY).all[0].id.hex(), key_list(OTHER_KEY).all[0].id.hex()
TABLES = ("voiceagent_calls", "voiceagent_turns", "voiceagent_events")
TOLD = [
    event("call.started", "CA1", started_at=written(BEGUN), from_number="+15558675310", channel="gather"),
    event("turn.completed", "CA1", started_at=written(BEGUN), **turn("t1", "my words")),
    ended(turn("t1", "my words"), turn("t2", "a secret"), call_sid="CA1", reason="She said goodbye.", phase="secret"),
    ended(turn("t1", "others"), call_sid="CA2", hours=1, from_number="+1999"),
    event("message.sent", "CA1", started_at=written(BEGUN), to="+15558675310", text="my words"),
]  # fmt: skip


def cipher(text: str) -> Cipher:
    return Cipher(key_list(text))


@pytest.fixture
async def archive_with(records_url: str) -> AsyncIterator[Callable[[Cipher], Archive]]:
    async with contextlib.AsyncExitStack() as stack:

        def make(opening: Cipher) -> Archive:
            archive = Archive(Database(records_url, connections=1), cipher=opening)
            stack.push_async_callback(archive.close)
            return archive

        yield make


@pytest.fixture
async def database(records_url: str) -> AsyncIterator[Database]:
    database = Database(records_url, connections=1)
    yield database
    await database.close()


async def everything(records: Any) -> str:
    rows = [await records.fetch(f"SELECT row::text AS text FROM {table} AS row") for table in TABLES]
    return "\n".join(row["text"] for found in rows for row in found)


async def record_of(archive: Archive, call_sid: str = "CA1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await archive.record(call_sid))
    return found


async def test_no_word_and_no_number_lies_in_the_database(records: Any, records_url: str) -> None:
    await keep(records_url, TOLD, cipher(KEY))
    kept = await everything(records)
    assert "CA1" in kept
    for word in ("words", "secret", "+1555", "8675310", "+1999", "You said", "Ada", "goodbye"):
        assert word not in kept, word


async def test_the_archive_answers_as_without_keys(
    records: Any, records_url: str, archive_with: Callable[[Cipher], Archive]
) -> None:
    await keep(records_url, TOLD)
    plain = archive_with(NO_CIPHER)
    query, whole = record_query({}), await plain.record("CA1")
    page = await plain.page(query)
    for table in reversed(TABLES):
        await records.execute(f"DELETE FROM {table}")
    await keep(records_url, TOLD, cipher(KEY))
    encrypted = archive_with(cipher(KEY))
    assert (await encrypted.page(query)).records == page.records
    opened = await encrypted.record("CA1")
    assert json.loads(opened) == json.loads(whole)
    assert list(json.loads(opened)) == list(json.loads(whole)), "in the same order"
    async with contextlib.aclosing(encrypted.export(query)) as parts:
        lines = [json.loads(line) for part in [part async for part in parts] for line in part]
    assert [line["call_sid"] for line in lines] == ["CA2", "CA1"]
    assert lines[1] == json.loads(whole)


async def test_a_number_is_found_and_words_are_not_searched_for(
    records_url: str, archive_with: Callable[[Cipher], Archive]
) -> None:
    await keep(records_url, TOLD[:3], cipher(KEY))
    await keep(records_url, TOLD[3:])
    archive = archive_with(cipher(f"{OTHER_KEY},{KEY},plain"))
    for number, sid in (("+15558675310", "CA1"), ("+1999", "CA2")):
        assert [row["call_sid"] for row in (await archive.page(record_query({"number": number}))).records] == [sid]
    with pytest.raises(NoTextSearch):
        await archive.page(record_query({"text": "words"}))
    with pytest.raises(NoTextSearch):
        async with contextlib.aclosing(archive.export(record_query({"text": "words"}))) as parts:
            await anext(parts)


async def test_a_record_whose_key_is_missing_is_listed_without_what_is_hidden(
    records_url: str, archive_with: Callable[[Cipher], Archive]
) -> None:
    await keep(records_url, TOLD, cipher(KEY))
    stranger = archive_with(cipher(OTHER_KEY))
    _, row = (await stranger.page(record_query({}))).records
    assert (row["call_sid"], row["status"], row["from_number"], row["reason"]) == ("CA1", "completed", None, None)
    with pytest.raises(ArchiveUnavailable, match=f"lacks the key {FIRST}"):
        await stranger.record("CA1")


async def test_a_row_that_was_moved_to_another_call_cannot_be_read(
    records: Any, records_url: str, archive_with: Callable[[Cipher], Archive]
) -> None:
    await keep(records_url, TOLD, cipher(KEY))
    await records.execute(
        "UPDATE voiceagent_calls SET data = (SELECT data FROM voiceagent_calls WHERE call_sid = 'CA1') "
        "WHERE call_sid = 'CA2'"
    )
    with pytest.raises(ArchiveUnavailable, match="changed, or belongs elsewhere"):
        await archive_with(cipher(KEY)).record("CA2")


async def test_rows_are_encrypted_under_another_key_and_decrypted_again(
    records: Any, records_url: str, database: Database, archive_with: Callable[[Cipher], Archive]
) -> None:
    await keep(records_url, TOLD)
    page, whole = await archive_with(NO_CIPHER).page(record_query({})), await record_of(archive_with(NO_CIPHER))
    for text, key_id in ((f"{KEY},plain", FIRST), (f"{OTHER_KEY},{KEY}", SECOND), (f"plain,{OTHER_KEY}", "plain")):
        done = await rotate_rows(database, SealedRows(cipher(text)))
        assert (done.left, done.resealed) == ({}, done.looked_at)
        assert set(await row_key_use(database)) == {key_id}
        assert (await rotate_rows(database, SealedRows(cipher(text)))).resealed == 0
        assert ("my words" in await everything(records)) == (key_id == "plain")
        archive = archive_with(cipher(text))
        assert (await archive.page(record_query({}))).records == page.records
        assert [it["call_sid"] for it in (await archive.page(record_query({"number": "+1999"}))).records] == ["CA2"]
        assert await record_of(archive) == whole
    refused = await rotate_rows(database, SealedRows(cipher(KEY)))
    assert refused.resealed == 0
    assert sum(refused.left.values()) == refused.looked_at


async def test_a_partial_record_keeps_the_encrypted_turns_that_were_told(
    records_url: str, archive_with: Callable[[Cipher], Archive]
) -> None:
    partial = ended(call_sid="CA1", partial=True, status="expired")
    await keep(records_url, [*TOLD[:2], partial], cipher(KEY))
    record = await record_of(archive_with(cipher(KEY)))
    assert [each["text"] for each in record["turns"]] == ["my words"]


async def test_a_turn_that_was_moved_to_another_call_cannot_be_read(
    records: Any, records_url: str, archive_with: Callable[[Cipher], Archive]
) -> None:
    await keep(records_url, TOLD, cipher(KEY))
    await records.execute(
        "UPDATE voiceagent_turns SET data = (SELECT data FROM voiceagent_turns WHERE call_sid = 'CA2') "
        "WHERE call_sid = 'CA1'"
    )
    with pytest.raises(ArchiveUnavailable, match="changed, or belongs elsewhere"):
        await archive_with(cipher(KEY)).record("CA1")
