"""All keys of one call: what goes when it is erased."""

from orchestrator.redis import keys


def own_keys(call_sid: str) -> tuple[str, ...]:
    """Return the keys that name the call, and hold nothing of others. They lie in one slot."""
    own = (
        *keys.call(call_sid).all,
        keys.outbox(call_sid),
        keys.schedule(call_sid),
        keys.relay_documents(call_sid),
        keys.transfer_answers(call_sid),
        keys.write_mark_beside(keys.state(call_sid)),
    )
    return (*own, *map(keys.aside, own))
