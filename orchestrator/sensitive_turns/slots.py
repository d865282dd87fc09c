"""The slots that hold what sensitive turns brought: `[hidden]` in the state, and opened for the agent."""

import json
from typing import Any

from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.encryption.cipher import Cipher
from orchestrator.sensitive_turns.redaction import Redaction


def opened_slots(state: ConversationState, cipher: Cipher) -> dict[str, Any]:
    """Return the slots of `state` as the agent gets them. Raise `UnreadableSeal`."""
    slots: dict[str, Any] = {}
    for name, value in state.slots.items():
        opened = _opened(state, name, value, cipher)
        slots.update(opened if name == HIDDEN and isinstance(opened, dict) else {name: opened})
    return slots


def with_hidden_slots(
    before: ConversationState, after: ConversationState, redaction: Redaction, cipher: Cipher
) -> ConversationState:
    """Return `after`, which the agent left, with those slots hidden that hold what sensitive turns brought.

    `before` is the state that the agent's was opened from: what did not change keeps its encrypted value.
    """
    slots, hidden = dict[str, Any](), dict[str, str]()
    for name, value in _by_hidden_name(after.slots, redaction).items():
        if name != HIDDEN and not redaction.is_in(value) and not (value == HIDDEN and name in before.hidden_slots):
            slots[name] = value
            continue
        slots[name] = HIDDEN
        known = before.hidden_slots.get(name)
        is_same = known is not None and _opened(before, name, HIDDEN, cipher) == value
        hidden[name] = known if known is not None and is_same else _sealed(before.call_sid, name, value, cipher)
    changed = {"slots": slots, "hidden_slots": hidden, "phase": after.phase, "agent": after.agent}
    return before.model_copy(update=changed)


def _by_hidden_name(slots: dict[str, Any], redaction: Redaction) -> dict[str, Any]:
    """Return the slots, those together under the name `[hidden]` whose own names hold what is to be hidden."""
    named = {name: value for name, value in slots.items() if redaction.is_in(name)}
    return {**{name: value for name, value in slots.items() if name not in named}, HIDDEN: named} if named else slots


def _opened(state: ConversationState, name: str, value: Any, cipher: Cipher) -> Any:
    sealed = state.hidden_slots.get(name)
    if sealed is None or value != HIDDEN:  # an older process has written the slot since
        return value
    return json.loads(cipher.open(slot_place(state.call_sid, name), sealed.encode()))


def _sealed(call_sid: str, name: str, value: Any, cipher: Cipher) -> str:
    return cipher.seal(slot_place(call_sid, name), json.dumps(value, separators=(",", ":")).encode()).decode()


def slot_place(call_sid: str, name: str) -> str:
    """Return what the encrypted value of a slot is bound to."""
    return f"{call_sid}/slots/{name}"
