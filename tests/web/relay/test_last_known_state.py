"""What this ingress knows of a call while the store is down."""

import asyncio

import pytest
from support.waiting import wait_until

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreUnavailable
from web.twilio.relay.last_known_state import LastKnownState


class Store:
    """Returns a newer version of the state each time, once it `may_answer`."""

    def __init__(self) -> None:
        self.version = 0
        self.reads = 0
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self) -> ConversationState | None:
        self.reads += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        self.version += 1
        return ConversationState(call_sid="CA1", version=self.version)


def version(known: LastKnownState) -> int | None:
    state = known.get()
    return state.version if state is not None else None


async def test_nothing_is_known_at_first() -> None:
    known = LastKnownState(Store().read, is_shared=True)
    assert known.get() is None
    assert not known.is_known


async def test_a_state_that_was_read_is_kept_until_a_newer_one_is() -> None:
    known = LastKnownState(Store().read, is_shared=True)
    known.keep(ConversationState(call_sid="CA1", version=7))
    known.keep(None)
    assert version(known) == 7
    assert known.is_known


async def test_where_the_store_is_in_this_process_nothing_is_kept() -> None:
    store = Store()
    known = LastKnownState(store.read, is_shared=False)
    known.keep(ConversationState(call_sid="CA1", version=7))
    known.refresh()
    await asyncio.sleep(0)
    assert (version(known), store.reads) == (None, 0)


async def test_a_call_that_begins_does_not_replace_what_is_known() -> None:
    known = LastKnownState(Store().read, is_shared=True)
    known.begin("CA1", {"channel": "relay", "from_number": "+15550001111"})
    state = known.get()
    assert state is not None
    assert (state.version, state.channel, state.from_number) == (1, "relay", "+15550001111")
    known.keep(ConversationState(call_sid="CA1", version=7))
    known.begin("CA1", {})
    assert version(known) == 7


async def test_a_refresh_during_another_one_is_made_after_it() -> None:
    store = Store()
    known = LastKnownState(store.read, is_shared=True)
    store.may_answer.clear()
    known.refresh()
    await wait_until(lambda: store.reads == 1, "the store is being read")
    known.refresh()
    known.refresh()
    store.may_answer.set()
    await wait_until(lambda: version(known) == 2, "the state was read once more")
    await known.close()
    assert store.reads == 2


async def test_while_the_store_is_down_the_state_before_stays_known() -> None:
    store = Store()
    known = LastKnownState(store.read, is_shared=True)
    known.keep(ConversationState(call_sid="CA1", version=7))
    store.error = StoreUnavailable("down")
    known.refresh()
    await wait_until(lambda: store.reads == 1, "the store was asked")
    await known.close()
    assert version(known) == 7


@pytest.mark.parametrize("is_answered", [False, True])
async def test_close_leaves_no_task(is_answered: bool) -> None:
    store = Store()
    known = LastKnownState(store.read, is_shared=True)
    before = asyncio.all_tasks()
    if not is_answered:
        store.may_answer.clear()
    known.refresh()
    await wait_until(lambda: store.reads, "the store is asked")
    await known.close()
    assert asyncio.all_tasks() == before
