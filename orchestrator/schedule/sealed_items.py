"""Scheduled items that repeat what a sensitive turn of their call brought: opened when they are carried out."""

from orchestrator.encryption.cipher import Cipher
from orchestrator.schedule.item import MessageItem, ScheduledItem, TimerItem
from orchestrator.sensitive_turns.replies import opened_words


def opened_item(item: ScheduledItem, cipher: Cipher | None) -> ScheduledItem:
    """Return `item` with the fields that were encrypted. A timer stays as it is: its turn has its data encrypted, too.
    In `told_to` is what may be told of whom a message goes to.

    Raise `UnreadableSeal`.
    """
    if not item.sealed_words or isinstance(item, TimerItem):
        return item
    told = {"told_to": item.to} if isinstance(item, MessageItem) else {}
    return item.model_copy(update={**opened_words(item.sealed_words, item.call_sid, cipher), **told})
