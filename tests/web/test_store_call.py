"""A store that hangs counts as one that does not answer."""

import asyncio

import pytest

from orchestrator.errors import StoreFull, StoreUnavailable
from web.store_call import store_call


async def test_the_result_is_returned():
    assert await store_call(asyncio.sleep(0, "a state"), 60) == "a state"


async def test_a_call_that_hangs_is_an_unavailable_store_and_is_cancelled():
    hanging = asyncio.ensure_future(asyncio.Event().wait())
    with pytest.raises(StoreUnavailable):
        await store_call(hanging, 0.01)
    assert hanging.cancelled()


@pytest.mark.parametrize(("raised", "expected"), [(StoreFull(), StoreFull), (TimeoutError(), StoreUnavailable)])
async def test_other_errors_pass_and_a_transport_that_timed_out_by_itself_is_an_unavailable_store(raised, expected):
    async def failing() -> None:
        raise raised

    with pytest.raises(expected):
        await store_call(failing(), 60)
