"""Makes a PNG small: each pixel becomes the number of one of 256 colors. Standard library only."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import starmap

MOST_COLORS = 256
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def with_palette(png: bytes) -> bytes:
    """Return a PNG of 8 bits for each pixel that looks the same. `png` has 8 bits for each of red, green and blue."""
    width, height, size, rows = _decoded(png)
    pixels = [[row[at : at + 3] for at in range(0, width * size, size)] for row in rows]
    counted = Counter[bytes]()
    for row in pixels:
        counted.update(row)
    palette = [color for color, _ in counted.most_common(MOST_COLORS)]
    numbers = {color: number for number, color in enumerate(palette)}
    for color in counted:
        if color not in numbers:
            numbers[color] = min(range(len(palette)), key=lambda number: _distance(color, palette[number]))
    lines = b"".join(b"\0" + bytes([numbers[color] for color in row]) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(starmap(_chunk, chunks))


def _distance(one: bytes, other: bytes) -> int:
    return sum((first - second) ** 2 for first, second in zip(one, other, strict=True))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _decoded(png: bytes) -> tuple[int, int, int, list[bytes]]:
    """Return the width, the height, the bytes of a pixel, and the rows."""
    chunks = list(_chunks(png))
    width, height, depth, kind, *_, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if (depth, interlaced) != (8, 0) or kind not in (2, 6):
        raise ValueError("This is no PNG of 8 bits for each of red, green and blue.")
    size = 3 if kind == 2 else 4
    data = zlib.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    rows, above, length = list[bytes](), bytes(width * size), width * size
    for number in range(height):
        start = number * (length + 1)
        above = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + length]), above, size)
        rows.append(above)
    return width, height, size, rows


def _unfiltered(kind: int, row: bytearray, above: bytes, size: int) -> bytes:
    """Return a row without its filter: PNG's specification, section 9."""
    if kind == 1:
        for at in range(size, len(row)):
            row[at] = (row[at] + row[at - size]) & 255
    elif kind == 2:
        return bytes((one + other) & 255 for one, other in zip(row, above, strict=True))
    elif kind == 3:
        for at in range(len(row)):
            left = row[at - size] if at >= size else 0
            row[at] = (row[at] + (left + above[at]) // 2) & 255
    elif kind == 4:
        for at in range(len(row)):
            left, corner = (row[at - size], above[at - size]) if at >= size else (0, 0)
            row[at] = (row[at] + _nearest(left, above[at], corner)) & 255
    return bytes(row)


def _nearest(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    far_left, far_above, far_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
    if far_left <= far_above and far_left <= far_corner:
        return left
    return above if far_above <= far_corner else corner
