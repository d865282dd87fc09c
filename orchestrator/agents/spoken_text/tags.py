"""Tags and special tokens as models write them, and what they stand for.

The names are those of chat templates: `<think>` (DeepSeek, Qwen), `[THINK]` (Mistral), `◁think▷` (Kimi),
`<|channel|>` (harmony), `<tool_call>` (Hermes, Qwen), `<function=…>` (Llama), `<｜…｜>` (DeepSeek), `<|im_end|>`
(ChatML), `<|eot_id|>` (Llama), `<end_of_turn>` (Gemma); of HTML and of SSML.
"""

from typing import Literal, NamedTuple

Kind = Literal["thought", "call", "token", "break", "mark"]

_THOUGHTS = (
    "think thinking thought thoughts reasoning reflection scratchpad inner_monologue analysis antthinking seed:think"
)
_CALLS = (
    "tool_call tool_calls toolcall function_call function_calls functioncall function functions invoke tool_use tool "
    "tools tool_code tool_response tool_result function_response"
)
_BREAKS = "br p li div hr tr td th h1 h2 h3 h4 h5 h6 blockquote ul ol table"
_MARKS = (
    "b i u s em strong mark small sub sup del ins span code pre font center img a thead tbody speak break prosody "
    "emphasis say-as phoneme voice audio lang w answer response final final_answer output speech message assistant "
    "bos eos pad unk sys start_of_turn end_of_turn end_of_utterance parameter"
)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_THOUGHTS.split(), "thought"),
    **dict.fromkeys(_CALLS.split(), "call"),
    **dict.fromkeys(_BREAKS.split(), "break"),
    **dict.fromkeys(_MARKS.split(), "mark"),
}
_IN_BRACKETS: dict[str, Kind] = {
    "THINK": "thought",
    "/THINK": "thought",
    "TOOL_CALLS": "mark",
    "/TOOL_CALLS": "mark",
    "INST": "mark",
    "/INST": "mark",
}
LONGEST_TAG, LONGEST_TOKEN = 300, 60


class Tag(NamedTuple):
    """A tag and where it ends. `rest` is the text in it after its name."""

    kind: Kind
    name: str
    is_closing: bool
    end: int
    rest: str = ""


WAIT: Literal["wait"] = "wait"
"""The text so far may be the beginning of a tag."""


def tag_at(text: str, at: int, *, final: bool) -> Tag | Literal["wait"] | None:
    """Return the tag that begins at `at`, where `<`, `[` or `◁` stands; `WAIT` or None."""
    if text[at] == "[":
        return _in_brackets(text, at, final)
    if text[at] == "◁":
        return _enclosed(text, at, at + 1, "▷", final, "mark")
    following = text[at + 1 : at + 2]
    if not following:
        return None if final else WAIT
    if following in "|｜":
        return _enclosed(text, at, at + 2, f"{following}>", final, "token")
    return _markup(text, at, final)


def _enclosed(text: str, at: int, start: int, end: str, final: bool, kind: Kind) -> Tag | Literal["wait"] | None:
    stop = text.find(end, start, start + LONGEST_TOKEN)
    inside = text[start : stop if stop >= 0 else start + LONGEST_TOKEN]
    if "\n" in inside or "<" in inside:
        return None
    if stop < 0:
        return WAIT if len(inside) < LONGEST_TOKEN and not final else None
    name = inside.strip().lower()
    known = _KINDS.get(name.lstrip("/"), kind)
    return Tag("thought" if known == "thought" else kind, name.lstrip("/"), name.startswith("/"), stop + len(end))


def _in_brackets(text: str, at: int, final: bool) -> Tag | Literal["wait"] | None:
    for name, kind in _IN_BRACKETS.items():
        if text.startswith(f"{name}]", at + 1):
            return Tag(kind, name.strip("/").lower(), name.startswith("/"), at + len(name) + 2)
    come = text[at + 1 : at + 12]
    may_be = len(text) - at - 1 < len(come) + 1 and any(f"{name}]".startswith(come) for name in _IN_BRACKETS)
    return WAIT if may_be and not final else None


def _markup(text: str, at: int, final: bool) -> Tag | Literal["wait"] | None:
    is_closing = text.startswith("/", at + 1)
    start = end = at + 1 + is_closing
    while end < len(text) and end - start < LONGEST_TOKEN and (text[end].isalnum() or text[end] in "_:-"):
        end += 1
    name = text[start:end].lower()
    if end == len(text) and not final:
        return WAIT if any(known.startswith(name) for known in _KINDS) else None
    kind = _KINDS.get(name)
    if kind is None or not _may_follow(text, end):
        return None
    stop = text.find(">", end, end + LONGEST_TAG)
    inside = text[end : stop if stop >= 0 else end + LONGEST_TAG]
    if "<" in inside or not _are_attributes(inside, is_whole=stop >= 0):
        return None
    if stop < 0:
        return WAIT if len(inside) < LONGEST_TAG and not final else None
    is_empty = inside.rstrip().endswith("/")  # "<think/>" contains nothing
    return Tag("mark" if is_empty and kind != "break" else kind, name, is_closing, stop + 1, inside.strip(" /"))


def _may_follow(text: str, end: int) -> bool:
    return text[end : end + 1] in (">", "/", "=", " ", "\n", "\t")


def _are_attributes(inside: str, *, is_whole: bool) -> bool:
    """True if the text after a tag's name may be attributes (`key="value"`). In "a <b and c" it is not."""
    if not inside or inside[0] in "=/":
        return True
    first, *more = inside.split(None, 1)[:2] or [""]
    return "=" in inside or first in ("", "/") or (not is_whole and not more and not inside[-1].isspace())
