"""One reply of several: what the caller has not heard yet, and the reply to what they have said since."""

from collections.abc import Sequence

from orchestrator.conversation.actions import (
    INLINE_ACTIONS,
    LEAVING_ACTIONS,
    SCHEDULE_ACTIONS,
    Action,
    SetSpeech,
)
from orchestrator.conversation.reply import Reply, TurnResult

_DEFAULT_SPEECH = SetSpeech()


def with_preceding(result: TurnResult) -> TurnResult:
    """Return the result with all that is to be said, in order, as its reply. It ends as the first reply that leaves."""
    if not result.preceding:
        return result
    return result.model_copy(update={"reply": joined([*result.preceding, result.reply]), "preceding": []})


def joined(replies: Sequence[Reply]) -> Reply:
    """Return the replies as one: all words, in order; then what does not take effect among them.

    How a reply is spoken (`SetSpeech`) ends with it. No word is lost to a reply before it that leaves. What a reply has
    asked for later or elsewhere is left out.
    """
    text, inline, last = "", list[Action](), list[Action]()
    for reply in replies:
        if text and reply.text and not text[-1].isspace():
            text += " "
        begin = len(text)
        text += reply.text
        changes_speech = False
        for action in reply.actions:
            if isinstance(action, INLINE_ACTIONS):
                at = len(text) if action.at is None else min(begin + action.at, len(text))
                inline.append(action.model_copy(update={"at": at}))
                changes_speech = changes_speech or isinstance(action, SetSpeech)
            elif not isinstance(action, SCHEDULE_ACTIONS):
                last.append(action)
        if changes_speech:
            inline.append(_DEFAULT_SPEECH.model_copy(update={"at": len(text)}))
    leaving = [action for action in last if isinstance(action, LEAVING_ACTIONS)]
    return Reply(text=text, actions=[*inline, *(leaving[:1] or last)]).completed()
