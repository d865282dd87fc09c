"""The file sink: whole lines, each id once, whoever writes beside and however the file is rotated."""

import asyncio
import errno
import fcntl
import json
import multiprocessing
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.events.event import Event, new_event
from orchestrator.events.sinks import json_lines
from orchestrator.events.sinks.json_lines import JsonLinesSink
from orchestrator.events.sinks.sink import TryLater


def event(number: int) -> Event:
    return new_event("call.started", 1_790_000_000, {"call_sid": f"CA{number}", "seq": 1, "words": "a\nb\u2028c"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
async def sink(path: Path) -> AsyncIterator[JsonLinesSink]:
    sink = JsonLinesSink(path)
    yield sink
    await sink.close()


def ids(path: Path) -> list[str]:
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [json.loads(line)["id"] for line in text.split(b"\n")[:-1]]


async def test_an_event_is_one_line(sink: JsonLinesSink, path: Path) -> None:
    first, second = event(1), event(2)
    await sink.deliver(first)
    await sink.deliver(second)
    lines = path.read_bytes().split(b"\n")
    assert [Event.model_validate_json(line) for line in lines[:-1]] == [first, second]


async def test_an_id_is_in_the_file_once(sink: JsonLinesSink, path: Path) -> None:
    await sink.deliver(event(1))
    again = event(2)
    await sink.deliver(again)
    await sink.deliver(again)
    other = JsonLinesSink(path)  # another process, or this one after a restart
    await other.deliver(again)
    await other.close()
    assert len(ids(path)) == 2


async def test_an_id_stays_known_when_the_file_is_moved_away(sink: JsonLinesSink, path: Path) -> None:
    kept, added = event(1), event(2)
    await sink.deliver(kept)
    path.rename(path.with_suffix(".1"))
    await sink.deliver(kept)
    await sink.deliver(added)
    assert (ids(path.with_suffix(".1")), ids(path)) == ([kept.id], [added.id])


async def test_a_file_that_is_copied_and_emptied_goes_on_from_its_beginning(sink: JsonLinesSink, path: Path) -> None:
    await sink.deliver(event(1))
    os.truncate(path, 0)
    added = event(2)
    await sink.deliver(added)
    assert ids(path) == [added.id]


async def test_half_a_line_of_a_writer_that_died_is_cut_off(sink: JsonLinesSink, path: Path) -> None:
    whole = event(1)
    await sink.deliver(whole)
    with path.open("ab") as file:
        file.write(event(2).model_dump_json().encode()[:-7])
    added = event(3)
    await sink.deliver(added)
    assert ids(path) == [whole.id, added.id]


async def test_lines_of_somebody_else_are_left_alone(sink: JsonLinesSink, path: Path) -> None:
    path.write_bytes(b'# a comment\n[1]\n{"id": 5}\n\xff\xfe\n' + b"[" * 100_000 + b"\n")
    before = path.read_bytes()
    await sink.deliver(event(1))
    assert path.read_bytes().startswith(before)


async def test_a_file_longer_than_one_part_is_read_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [event(number) for number in range(50)]
    path.write_text("".join(it.model_dump_json() + "\n" for it in many))
    sink = JsonLinesSink(path, part_bytes=100)
    for known in many:
        await sink.deliver(known)
    await sink.close()
    assert ids(path) == [it.id for it in many]


async def test_the_oldest_ids_are_forgotten(path: Path) -> None:
    first, *others = [event(number) for number in range(4)]
    sink = JsonLinesSink(path, remembered=3)
    for it in (first, *others, first):
        await sink.deliver(it)
    await sink.close()
    assert ids(path) == [first.id, *(it.id for it in others), first.id]


async def test_a_writer_that_keeps_the_file_locked_delays_and_blocks_nothing(path: Path) -> None:
    sink = JsonLinesSink(path, lock_seconds=0.05)
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TryLater, match="locked"):
            await sink.deliver(event(1))
    await sink.deliver(event(1))
    await sink.close()
    assert len(ids(path)) == 1


async def test_a_delivery_that_is_cancelled_leaves_a_whole_line_or_none(path: Path) -> None:
    sink = JsonLinesSink(path)
    for number in range(30):
        delivery = asyncio.create_task(sink.deliver(event(number)))
        await asyncio.sleep(0)
        delivery.cancel()
        await asyncio.wait({delivery})
    last = event(99)
    await sink.deliver(last)
    await sink.close()
    assert ids(path)[-1] == last.id


async def test_a_full_disk_leaves_no_half_line(
    path: Path, sink: JsonLinesSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sink.deliver(event(1))
    real = os.write

    def fills_up(file: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:50])

    with monkeypatch.context() as full:
        full.setattr(json_lines.os, "write", fills_up)
        with pytest.raises(OSError, match="No space"):
            await sink.deliver(event(2))
    assert len(ids(path)) == 1
    await sink.deliver(event(3))
    assert len(ids(path)) == 2


def _write(path: Path, events: list[str]) -> None:
    async def deliver() -> None:
        sink = JsonLinesSink(path)
        for text in events:
            await sink.deliver(Event.model_validate_json(text))
        await sink.close()

    asyncio.run(deliver())


@pytest.mark.processes
def test_processes_write_to_one_file_and_each_id_is_there_once(path: Path) -> None:
    texts = [event(number).model_dump_json() for number in range(60)]
    context: Any = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, texts[:: (-1) ** number])) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert sorted(ids(path)) == sorted(json.loads(text)["id"] for text in texts)


async def test_a_line_of_somebody_elses_without_an_end_is_kept(sink: JsonLinesSink, path: Path) -> None:
    path.write_text("a note\nanother, without an end")
    await sink.deliver(event(1))
    lines = path.read_text().split("\n")
    assert lines[:2] == ["a note", "another, without an end"]
    assert (json.loads(lines[2])["data"]["call_sid"], lines[3:]) == ("CA1", [""])


async def test_a_file_that_is_emptied_just_before_a_line_is_written_begins_with_that_line(
    sink: JsonLinesSink, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sink.deliver(event(1))
    second, as_json = event(2), json_lines.json_of

    def emptying(told: Event) -> str:
        os.truncate(path, 0)
        return as_json(told)

    monkeypatch.setattr(json_lines, "json_of", emptying)
    await sink.deliver(second)
    assert ids(path) == [second.id]
