"""Text that comes in pieces, made whole."""


class Surrogates:
    """Joins surrogate pairs whose halves came in different pieces, as `"\\ud83d"` and `"\\ude00"` may in JSON.

    A half that stays alone becomes U+FFFD: text that is no Unicode can be neither spoken nor stored.
    """

    def __init__(self) -> None:
        self._half = ""

    def joined(self, piece: str) -> str:
        """What can be said now."""
        text, self._half = self._half + piece, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return whole(text)

    def rest(self) -> str:
        """What is left at the end."""
        half, self._half = self._half, ""
        return whole(half)


def whole(text: str) -> str:
    """`text` with its surrogate pairs joined, and halves replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
