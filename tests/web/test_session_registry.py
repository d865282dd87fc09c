"""What other ingresses are told of the relay sessions of this one."""

import asyncio

from web.session_registry import SessionRegistry

CALL = "CA1"


class Session:
    """A session of the call, and its connection."""

    call_sid = CALL
    is_idle = True

    def close_connection(self, code: int, reason: str) -> None:
        """Do nothing."""

    async def wait_finished(self) -> None:
        """Return at once."""

    async def answers_ping(self, seconds: float) -> bool:
        """Return True."""
        return True


async def is_answering_after(sessions: SessionRegistry, *, is_added: bool) -> bool:
    """Return what another ingress is told that asks while a session is admitted here, which is added then, or not."""
    session = Session()
    async with sessions.lock(CALL):
        asked = asyncio.create_task(sessions.is_answering(CALL))
        await asyncio.sleep(0)
        assert not asked.done()
        assert not await sessions.has_answering(CALL)
        if is_added:
            sessions.add(session, session)
    return await asked


async def test_a_session_that_is_being_admitted_counts_for_another_ingress() -> None:
    assert await is_answering_after(SessionRegistry(ping_seconds=1), is_added=True)


async def test_one_that_was_not_admitted_does_not() -> None:
    assert not await is_answering_after(SessionRegistry(ping_seconds=1), is_added=False)
