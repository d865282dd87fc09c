"""Lines reach the stream whole, or not at all, whatever the stream does."""

import contextlib
import fcntl
import gzip
import io
import logging
import os
import threading

import pytest

from orchestrator.log_stream import MOST_UNSENT_BYTES, LineHandler

LONGER_THAN_A_PIPE_TAKES_AT_ONCE = 10_000
FILLING = "."


@pytest.fixture
def pipe():
    """A pipe whose writing end is a text stream: (file descriptor to read, stream)."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", encoding="utf-8")
    yield reading, stream
    for close in (stream.close, lambda: os.close(reading)):
        with contextlib.suppress(OSError):
            close()


def record(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text})


def fill(stream: io.TextIOWrapper) -> None:
    """Let the stream not block, and its pipe have no room."""
    os.set_blocking(stream.fileno(), False)
    fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, 4096)
    line = FILLING.encode() * 63 + b"\n"
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(stream.fileno(), line)


def read_now(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


def read_all(descriptor: int, handler: LineHandler) -> list[str]:
    """Everything that the handler has to write, with a pipe that takes it in small pieces."""
    taken = b""
    while more := read_now(descriptor):
        taken += more
        handler.flush()
    return [line for line in taken.decode().splitlines() if not line.startswith(FILLING)]


def test_lines_of_several_threads_are_never_torn(pipe) -> None:
    reading, stream = pipe
    handler = LineHandler(stream)
    words = [str(number) * LONGER_THAN_A_PIPE_TAKES_AT_ONCE for number in range(4)]
    taken: list[bytes] = []

    def log(word: str) -> None:
        for _ in range(30):
            handler.handle(record(word))

    def read() -> None:
        with open(reading, "rb", closefd=False) as file:
            taken.extend(file.read().splitlines())

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=log, args=(word,)) for word in words]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stream.close()
    reader.join()
    assert sorted(taken) == sorted(word.encode() for word in words * 30)


def test_a_full_pipe_that_does_not_block_tears_no_line(pipe) -> None:
    reading, stream = pipe
    handler = LineHandler(stream)
    fill(stream)
    lines = [f"{number} " + "x" * 6000 for number in range(50)]
    for line in lines:
        handler.handle(record(line))
    kept = read_all(reading, handler)
    assert kept == lines[: len(kept)], "the first lines are kept, in order"
    assert MOST_UNSENT_BYTES - 6010 < sum(len(line) + 1 for line in kept) <= MOST_UNSENT_BYTES
    handler.handle(record("again"))
    assert read_all(reading, handler) == ["again"]


def test_a_line_that_was_begun_is_ended_before_the_next(pipe) -> None:
    reading, stream = pipe
    handler = LineHandler(stream)
    fill(stream)
    os.read(reading, 4096)
    long, short = "x" * 9000, "short"
    handler.handle(record(long))  # the pipe has room for the beginning
    handler.handle(record(short))
    assert read_all(reading, handler) == [long, short]


def test_a_broken_pipe_harms_nobody_and_keeps_nothing(pipe) -> None:
    reading, stream = pipe
    handler = LineHandler(stream)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), reading)  # now nobody reads the pipe
    for _ in range(3):
        handler.handle(record("x" * 1000))
    handler.flush()
    again, writing = os.pipe()
    os.dup2(writing, stream.fileno())  # now somebody reads it
    os.close(writing)
    with open(again, "rb") as lines:
        handler.handle(record("later"))
        assert os.read(lines.fileno(), 4096) == b"later\n"


def test_a_closed_stream_gets_nothing_even_if_its_number_is_used_again(pipe, tmp_path) -> None:
    _, stream = pipe
    handler, number = LineHandler(stream), stream.fileno()
    stream.close()
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
    os.dup2(other, number)
    try:
        handler.handle(record("secret"))
        assert os.fstat(other).st_size == 0
    finally:
        for descriptor in {other, number}:
            os.close(descriptor)


def test_a_full_disk_loses_no_line_that_there_is_room_for_later(tmp_path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as stream, open(tmp_path / "log", "wb") as roomy:
        handler = LineHandler(stream)
        handler.handle(record("kept"))
        handler.flush()
        os.dup2(roomy.fileno(), stream.fileno())
        handler.flush()
        assert (tmp_path / "log").read_bytes() == b"kept\n"


def test_a_line_comes_after_what_was_written_before_it(pipe) -> None:
    reading, stream = pipe
    stream.write("before\n")
    handler = LineHandler(stream)
    handler.handle(record("after"))
    assert read_now(reading) == b"before\nafter\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "utf-16", "cp1252"])
def test_the_bytes_are_those_that_the_stream_itself_writes(tmp_path, encoding) -> None:
    texts = ["plain", "€ 😀", "half \ud83d", "naïve"]
    with open(tmp_path / "handler", "w", encoding=encoding) as stream:
        handler = LineHandler(stream)
        for text in texts:
            handler.handle(record(text))
    with open(tmp_path / "stream", "w", encoding=encoding, errors="backslashreplace") as stream:
        stream.writelines(f"{text}\n" for text in texts)
    assert (tmp_path / "handler").read_bytes() == (tmp_path / "stream").read_bytes()


def test_a_stream_over_no_file_gets_its_lines_as_text(tmp_path) -> None:
    class Own(io.StringIO):
        encoding = None

    own = Own()
    with gzip.open(tmp_path / "log.gz", "wt", encoding="utf-8") as packed:
        for stream in (own, packed):
            LineHandler(stream).handle(record("text"))
    assert own.getvalue() == gzip.decompress((tmp_path / "log.gz").read_bytes()).decode() == "text\n"
