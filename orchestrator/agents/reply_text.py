"""What agents with a language model share: the text of a reply from several sources, and the actions at its end."""

from collections.abc import Sequence
from itertools import islice

from orchestrator.conversation.actions import INLINE_ACTIONS, SCHEDULE_ACTIONS, Action, HangUp, Record, Transfer

ANSWER_SHARE = 0.9
"""The share of AGENT_TIMEOUT_SECONDS after which such an agent ends its turn: the state keeps what tools did."""
BROKE_OFF = "I'm sorry, I lost my thread. Could you say that again?"
GOODBYE = "I can't hear you, so I will hang up now. Please call again. Goodbye!"
AT_ONCE = (*INLINE_ACTIONS, *SCHEDULE_ACTIONS)
"""Actions that are yielded as soon as a tool has returned them: they have their place in the text, or hold although the
caller cuts off what follows."""
MOST_SILENCES = 3
"""A call ends at this many turns of silence in a row."""


class ReplyText:
    """The text of one turn's reply so far. Its sentences come from several sources, and are joined with spaces.

    `deadline` is when the reply must end, in the event loop's time.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.has_words = False  # of the model's own
        self._text = ""
        self._begins_sentence = False

    @property
    def has_begun(self) -> bool:
        """True if anything was said, even if only a filler."""
        return bool(self._text)

    def begin_sentence(self) -> None:
        """Separate what comes next from what was said before."""
        self._begins_sentence = True

    def words(self, piece: str) -> str:
        """Add a piece of the model's answer, and return it as it is to be said."""
        self.has_words = True
        return self._add(piece)

    def once(self, sentence: str) -> str:
        """Add a sentence, and return it as it is to be said; "" if this turn has had it."""
        return "" if sentence in self._text else self.sentence(sentence)

    def sentence(self, text: str) -> str:
        """Add a sentence of the agent's own, and return it as it is to be said."""
        self.begin_sentence()
        return self._add(text)

    def _add(self, piece: str) -> str:
        if self._begins_sentence and self._text and not self._text[-1].isspace() and not piece[:1].isspace():
            piece = f" {piece}"
        self._begins_sentence = False
        self._text += piece
        return piece


def final_actions(actions: Sequence[Action]) -> list[Action]:
    """Return the actions that come after the text: of those that leave the caller one, and rather a transfer.

    A caller who is connected with a person, or leaves a message, must not be hung up on.
    """
    others = [action for action in actions if not isinstance(action, (Transfer, Record, HangUp, *AT_ONCE))]
    leaving = (action for kind in (Transfer, Record, HangUp) for action in actions if isinstance(action, kind))
    return [*others, *islice(leaving, 1)]
