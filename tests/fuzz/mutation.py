"""Makes wrong input out of right input: of bytes, of JSON and of forms. The same seed gives the same input again."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

LONGEST = 200_000
MOST_CHANGES = 4
DEEP = 3000

TOKENS: tuple[bytes, ...] = (
    b"", b"\0", b"\n", b"\r\n", b" ", b"\xff", b"\xc3", b"\xed\xa0\x80", "\u2028".encode(), "\u202e".encode(),
    "İ".encode(), "ß".encode(), "٣".encode(), b"%", b"%0", b"%ff", b"%ed%a0%80", b"%00", b"%0a", b"+", b"&", b"=",
    b";", b"?", b"#", b"/", b"..", b"{", b"}", b"[", b"]", b'"', b"'", b"\\", b"\\ud800", b"\\u0000", b"<", b">",
    b"]]>", b"&amp;", b"null", b"true", b"NaN", b"Infinity", b"-Infinity", b"-0", b"-1", b"1e999", b"1e-999", b"0x1",
    b"9" * 20, b"9" * 5000, b"2147483648", b"9223372036854775808", b"1.5", b"1_0", b"a" * 300, b"a" * 70_000,
    b"[" * DEEP, b'{"a":' * DEEP, b"]" * DEEP, b"*", b"**", b"%s", b"${x}", b"__class__", b"voiceagent:state:",
)  # fmt: skip
"""What breaks readers."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**70), 10**400, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), float("-inf"), "", " ", "a", "0", "-1", "1e999", "nan", "\0", "\ud800", "\u2028", "\x1b[2J", "İ",
    "٣", "a" * 257, "a" * 5000, "+15551234567", "sip:a@b", "2020-01-01T00:00:00", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "1e400", "[hidden]", [], {}, [[]], [None], {"": {}}, {"type": "gather"},
    {"type": "new"}, [{"type": "hang_up"}], {"sealed": "AAAA"},
)  # fmt: skip
"""Values that a field of JSON may have and should not."""

Change = Callable[[bytes], bytes]


class Mutator:
    """Makes input from the examples that it is given."""

    def __init__(self, seed: object, examples: Sequence[bytes]) -> None:
        assert examples, "a target needs an example of right input"
        self._random = random.Random(f"{seed}")
        self._examples = list(examples)
        self._changes: tuple[Change, ...] = (
            self._json, self._json, self._json, self._form, self._flip, self._cut, self._insert, self._replace,
            self._double, self._splice,
        )  # fmt: skip

    def add(self, example: bytes) -> None:
        """Make input from this example, too."""
        self._examples.append(example)

    def next(self) -> bytes:
        """Return the next input."""
        data = self._random.choice(self._examples)
        for _ in range(self._random.randint(1, MOST_CHANGES)):
            data = self._random.choice(self._changes)(data)
        return data[:LONGEST]

    def _json(self, data: bytes) -> bytes:
        """Change a value somewhere in a JSON document; of several lines, in one of them."""
        lines = data.split(b"\n")
        at = self._random.randrange(len(lines))
        begin = min((place for mark in (b"{", b"[") if (place := lines[at].find(mark)) >= 0), default=0)
        try:
            content = json.loads(lines[at][begin:])
            lines[at] = lines[at][:begin] + json.dumps(self._changed(content)).encode()
        except (ValueError, RecursionError):
            return self._replace(data)
        return b"\n".join(lines)

    def _changed(self, value: Any) -> Any:
        goes_in = self._random.random() < 0.8
        if isinstance(value, dict) and value and goes_in:
            name = self._random.choice(sorted(value))
            kind = self._random.random()
            if kind < 0.1:
                return {other: it for other, it in value.items() if other != name}
            if kind < 0.15:
                return {**value, self._text(): self._random.choice(VALUES)}
            return {**value, name: self._changed(value[name])}
        if isinstance(value, list) and value and goes_in:
            at = self._random.randrange(len(value))
            if self._random.random() < 0.1:
                return value * 50
            return [*value[:at], self._changed(value[at]), *value[at + 1 :]]
        if isinstance(value, str) and self._random.random() < 0.3:
            inner = (
                self._json(value.encode(errors="replace"))
                if value[:1] in ("{", "[")
                else value.encode(errors="replace") + self._random.choice(TOKENS)
            )
            return inner.decode(errors="replace")
        if isinstance(value, int) and not isinstance(value, bool) and self._random.random() < 0.3:
            return value + self._random.choice((-1, 1, -1000, 1000))
        return self._random.choice(VALUES)

    def _form(self, data: bytes) -> bytes:
        """Change a field of a form or a query."""
        fields = data.split(b"&")
        if len(fields) < 2:
            return self._insert(data)
        at, other = self._random.randrange(len(fields)), self._random.randrange(len(fields))
        name, _, value = fields[at].partition(b"=")
        fields[at] = self._random.choice((
            name, name + b"=", b"=" + value, name + b"=" + self._random.choice(TOKENS), fields[other],
            name + b"=" + value + self._random.choice(TOKENS), b"&".join([fields[at]] * 2), b"", value + b"=" + name,
            name + b"=" + fields[other].partition(b"=")[2],
        ))  # fmt: skip
        return b"&".join(fields)

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._random.randrange(8)]) + data[at + 1 :]

    def _cut(self, data: bytes) -> bytes:
        begin, end = sorted(self._random.randint(0, len(data)) for _ in range(2))
        return data[:begin] + data[end:] if self._random.random() < 0.5 else data[: max(begin, 1)]

    def _insert(self, data: bytes) -> bytes:
        at = self._random.randint(0, len(data))
        return data[:at] + self._random.choice(TOKENS) + data[at:]

    def _replace(self, data: bytes) -> bytes:
        begin = self._random.randint(0, len(data))
        return data[:begin] + self._random.choice(TOKENS) + data[begin + self._random.randint(0, 8) :]

    def _double(self, data: bytes) -> bytes:
        begin, end = sorted(self._random.randint(0, len(data)) for _ in range(2))
        return data[:end] + data[begin:end] * self._random.choice((1, 2, 20)) + data[end:]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._examples)
        return data[: self._random.randint(0, len(data))] + other[self._random.randint(0, len(other)) :]

    def _text(self) -> str:
        return self._random.choice(("", "a", "type", "call_sid", "version", "\ud800", "x" * 300, "sealed"))
