"""What special tokens say of the text after them: whose words it is, and whether it is for the caller."""

from orchestrator.agents.spoken_text.regions import Region, Tagged, TaggedCall, Thoughts, TokenCalls
from orchestrator.agents.spoken_text.tags import Tag

_ROLE_BEGINS = ("start", "im_start", "start_header_id", "start_of_turn", "header_start")
_OTHERS = ("user", "system", "tool", "developer", "human", "ipython")
_OWN = ("assistant", "model", "final")
_CHANNEL_ENDS = ("end", "start", "call", "return", "channel", "im_end", "im_start")

_CALLS_BEGIN = ("tool_calls_begin", "tool_calls_section_begin")  # DeepSeek, Kimi
_CALLS_END = ("tool_calls_end", "tool_calls_section_end")


class Role(Region):
    """The name after a token: "assistant", "analysis". Text that is not for the caller ends at the next such token."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._rest: Tagged | None = None

    def read(self, text: str, at: int, *, final: bool) -> int:
        """Read the name, and the text after it if that is not for the caller."""
        if self._rest is None:
            at = self._named(text, at, final)
        if self._rest is not None:
            at = self._rest.read(text, at, final=final)
            self.is_over = self._rest.is_over
        return at

    def _named(self, text: str, at: int, final: bool) -> int:
        end = at
        while end < len(text) and (text[end].isalnum() or text[end] in "_-"):
            end += 1
        name = text[at:end].lower()
        if end == len(text) and not final and len(name) < 40:
            return at
        if self._token == "channel" and name != "final":
            self._rest = Tagged(lambda tag: tag.name in _CHANNEL_ENDS, leaves_tag=True)
        elif self._token != "channel" and name in _OTHERS:
            self._rest = Tagged(lambda tag: tag.name in _ROLE_BEGINS, leaves_tag=True)
        else:
            self.is_over = True
            return end if name in _OWN else at
        return end


def region_after(tag: Tag) -> Region | None:
    """Return the region after a tag or token that is not said, or None. Most tags have none."""
    if tag.kind in ("thought", "call") and not tag.is_closing:
        return Thoughts() if tag.kind == "thought" else TaggedCall(tag)
    if tag.name in _ROLE_BEGINS and not tag.is_closing:
        return Role(tag.name)
    if tag.kind != "token":
        return None
    if tag.name == "channel":
        return Role("channel")
    if tag.name.replace("▁", "_") in _CALLS_BEGIN:
        return TokenCalls(lambda other: other.name.replace("▁", "_") in _CALLS_END)
    if tag.name == "start_thinking":
        return Tagged(lambda other: other.name == "end_thinking")
    if tag.name in ("begin_of_thought", "think"):
        return Tagged(lambda other: other.name == "end_of_thought" or (other.name == "think" and other.is_closing))
    return None
