"""What a tool of an MCP server returned, as JSON for the model."""

from typing import Any

MOST_CHARACTERS = 20_000
"""What is read of a result at most; the model gets less still."""


def result_of(content: list[Any], structured: Any, is_error: bool) -> Any:
    """Return the result: its structured content, or else its text. What is no text is named, not quoted."""
    if structured is not None and not is_error:
        is_wrapped = isinstance(structured, dict) and list(structured) == ["result"]  # what is no object needs a name
        return structured["result"] if is_wrapped else structured
    texts, room = [], MOST_CHARACTERS
    for block in content:
        text = _text_of(block)[:room]
        texts.append(text)
        if (room := room - len(text)) <= 0:
            break
    text = "\n".join(texts)
    return {"error": text} if is_error else text


def _text_of(block: Any) -> str:
    if (text := getattr(block, "text", None)) is None:
        text = getattr(getattr(block, "resource", None), "text", None)
    return text if isinstance(text, str) else f"[{getattr(block, 'type', 'something')}: cannot be spoken]"
