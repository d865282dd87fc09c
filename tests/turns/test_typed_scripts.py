"""The calls of scripts: what they send, and what their replies mean."""

from orchestrator.conversation.turn import Turn
from orchestrator.redis import keys
from orchestrator.turns.admission import Limits
from orchestrator.turns.redis import lease_scripts, queue_scripts, scripts
from orchestrator.turns.redis.lease_scripts import Grant, NoCall, QueuedCall, QueuedJob
from orchestrator.turns.store import Lease

SHARD = keys.SINGLE_SHARD
LEASE = Lease("CA1", "anna", 3)
GRANTED = [3, 2, b"1", b"", b"{turn}", b"", b"{state}", b"t1"]


def commit(**changes: object) -> scripts.ScriptCall[scripts.Committed]:
    arguments: dict[str, object] = {
        "lease": LEASE, "turn_id": "t1", "expected": 4, "state_json": b"{state}", "keep_ms": 10, "result_json": "{}",
        "message": "", "is_over": False, "keep_lease": True, "lease_ms": 20, "results_ms": 30, "shard": SHARD,
    }  # fmt: skip
    return scripts.commit(**{**arguments, **changes})  # type: ignore[arg-type]


def test_a_step_in_a_cluster_takes_the_keys_of_its_call_alone() -> None:
    turn = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="hello")
    for shard, count in ((SHARD, 10), (None, 5)):
        call = scripts.submit(
            turn=turn, turn_json="", notice="", shard=shard, listener="", wants_tokens=False, opening_json=b"",
            limits=Limits(), elsewhere_since=None, keep_ms=1, running_ms=1,
        )  # fmt: skip
        assert len(call.keys) == count
        assert list(call.keys[:5]) == list(keys.call("CA1").all)


def test_a_claim_is_decoded_with_its_flags() -> None:
    call = lease_scripts.claim(
        call_sid="CA1", holder="anna", lease_ms=1, lease_record_ms=2, on_approval=True, shard=SHARD
    )
    assert list(call.args[-2:]) == ["1", ""]
    assert call.decode(None) is None
    assert call.decode(GRANTED) == Grant(LEASE, 2, True, False, b"t1", b"{turn}", b"", b"{state}")


def test_claimed_jobs_are_told_apart() -> None:
    call = lease_scripts.claim_jobs(
        shard=SHARD, has_calls=True, most=10, look_at=10, in_progress_ms=1, holder="anna", lease_ms=1
    )
    reply = [
        [b"job", b"cron:1", b"7"], [b"turns", b"CA1", GRANTED, b"north"], [b"call", b"CA2", b"", b"north"],
        [b"bad", b"CA3"], [b"turns", b"\xff", GRANTED],
    ]  # fmt: skip
    assert call.decode([[], 0]).pushed is None
    claimed = call.decode([reply, 1, 7, 20])
    assert claimed.is_capped
    assert claimed.pushed == lease_scripts.Pushed(count=7, quiet_ms=20)
    job, grant, elsewhere, damaged, nothing = claimed.jobs
    assert job == QueuedJob(b"cron:1", b"7")
    assert isinstance(grant, Grant)
    assert (grant.lease, grant.job_id) == (LEASE, "turns:CA1")
    assert grant.tenant == "north"
    assert elsewhere == QueuedCall("CA2", "north")
    assert damaged == QueuedCall("CA3")
    assert nothing == NoCall(b"turns:\xff")


def test_a_state_that_is_kept_elsewhere_has_no_expected_version() -> None:
    assert commit(expected=4).args[4] == 4
    assert commit(expected=scripts.ELSEWHERE).args[4] == ""
    assert commit(expected=scripts.GONE).args[4] == "gone"


def test_the_turn_after_a_commit_comes_with_the_state_that_holds() -> None:
    following = [1, b"", b"1", b"{next}", b"", b"t2"]
    committed = commit().decode([b"committed", following, None])
    assert committed.next == Grant(LEASE, 1, False, True, b"t2", b"{next}", b"", b"{state}")
    recorded = commit().decode([b"recorded", following, b"{stored}"])
    assert recorded.next is not None
    assert recorded.next.state_json == recorded.stored == b"{stored}"
    gone = commit().decode([b"gone", following, None])
    assert gone.next is not None
    assert gone.next.state_json is None


def test_turns_that_a_commit_leaves_in_a_cluster_are_still_to_be_queued() -> None:
    assert commit(shard=None).decode([b"committed", b"left", None]) == scripts.Committed("committed", None, None, True)
    assert commit(shard=None).decode([b"lost", None, None]) == scripts.Committed("lost", None, None, False)


def test_a_release_without_a_pause_sends_none() -> None:
    assert lease_scripts.release(lease=LEASE, turn_id="t1", pause_ms=None, shard=None).args[-2] == ""
    paused = lease_scripts.release(lease=LEASE, turn_id="t1", pause_ms=0, shard=None)
    assert paused.args[-2] == 0
    assert [paused.decode(reply) for reply in (0, 1, 2)] == [False, False, True]


def test_due_calls_come_with_the_scores_that_they_have_now() -> None:
    call = queue_scripts.take_due_calls(shard=SHARD, most=2, again_ms=1, grace_ms=0, silent_ms=0)
    assert [(due.name, due.score) for due in call.decode([b"CA1", b"5", b"\xff", b"6"])] == [
        (b"CA1", b"5"), (b"\xff", b"6"),
    ]  # fmt: skip
