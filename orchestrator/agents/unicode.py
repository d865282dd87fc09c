"""Makes valid Unicode of text that a model sends in pieces."""


class Surrogates:
    """Joins surrogate pairs whose halves come in different pieces, as `"\\ud83d"` and `"\\ude00"` may in JSON.

    A half without its other half becomes U+FFFD: it can be neither spoken nor stored.
    """

    def __init__(self) -> None:
        self._half = ""

    def joined(self, piece: str) -> str:
        """Return the text up to `piece`, but hold back a first half at its end."""
        text, self._half = self._half + piece, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return as_unicode(text)

    def rest(self) -> str:
        """Return what was held back, at the end of the text."""
        half, self._half = self._half, ""
        return as_unicode(half)


def as_unicode(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone halves replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
