"""Every Redis key the product uses, but for those of `incident_keys`. Nothing else spells one.

What belongs to one call carries the whole state key as its hash tag, so that in a cluster it lies in the slot
of the plain state key, whose name the product guide fixes.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote
from zlib import crc32

STATE_PREFIX = "voiceagent:state:"
INBOX = "inbox"
"""The end of every inbox's name."""

ACTIVE_CALLS = "voiceagent:calls"
"""`ShardKeys.calls` of a single server."""
DUE = "voiceagent:due"
"""`ShardKeys.due` of a single server."""
DEAD_LETTERS = "voiceagent:dead"
"""Hash: `call_sid/turn_id` → the dead letter, as JSON."""
WORKERS = "voiceagent:workers"
"""Sorted set: worker id → when it last gave a sign of life (seconds)."""
WATCHED = "voiceagent:watched"
"""String: somebody watches a dashboard, so that workers report what is being said. For `WATCHED_SECONDS`."""
WATCHED_SECONDS = 15
PROCESSES = "voiceagent:processes"
"""Hash: id of a process → what it reported of itself last, as JSON, for ten minutes after it was lost or has ended."""
ROLLOUT_MARK = "{voiceagent:watched}:rollout-mark"
"""String: there is a rollout plan. In the slot of `WATCHED`, so that a heartbeat looks for both in one command."""
WRITE_MARK = "voiceagent:write-mark"
"""String: written before a WAIT, which covers what was written before it, and to see whether a server takes writes."""
MARK_SECONDS = 60
"""How long a write mark is kept."""
LAST_CRON_RUN = "voiceagent:heartbeat"
"""String: when a cron job last ran (seconds)."""
OUTBOX_REPORT = "voiceagent:outbox-report"
"""String: how much is in the outboxes of all calls, as JSON. For `OUTBOX_REPORT_SECONDS`."""
OUTBOX_REPORT_SECONDS = 150
SEAL_KEYS = "voiceagent:seal-keys"
"""Hash: what the ingresses seal with, where `SEAL_KEY` is not set, and since when they share it (ms)."""
FLEET_COUNTS = "{voiceagent:fleet}:counts"
"""Hash: what the workers have counted: name of a count → its number, and when they `began` (ms)."""
HISTORY_CHANGES = "{voiceagent:history}:changes"
"""String: how often a minute of the history was changed that was over."""
HISTORY_SAMPLER = "{voiceagent:history}:sampler"
"""String: an ingress has just read what describes the system, for the history."""
QUEUE = "arq:queue"
"""arq's sorted set of jobs: job id → when it is due (ms)."""

OURS = ("voiceagent:*", "{voiceagent:*", QUEUE + "*")
"""Patterns of every key that must have a time to live."""
USED = ("voiceagent:*", "{voiceagent:*", "arq:*")
"""Patterns of every key that is read or written."""
CHANNELS = ("voiceagent:*",)
"""Patterns of every channel."""


IDEMPOTENCY = "voiceagent:receipt:"
"""How the name of every idempotency record begins."""
OPERATOR_CHANGES = "voiceagent:operator-changes"
"""List: what people have changed with `voiceagent`, as JSON, until a worker logs it."""
STOPPED_SINKS = "voiceagent:stopped-sinks"
"""Hash: name of a sink of events that wants none any more → why, since when and where, as JSON."""
UNABLE_WORKERS = "voiceagent:unable-workers"
"""Sorted set: worker id → when it last found that Redis answers and lets it claim nothing (seconds)."""


def state(call_sid: str) -> str:
    """String: the state as JSON."""
    return STATE_PREFIX + call_sid


@dataclass(frozen=True, slots=True)
class CallKeys:
    """The keys of one call."""

    state: str
    inbox: str  # list: ids of the turns that wait, in order
    turns: str  # hash: turn id → P + the waiting turn, or R + its recorded result
    lease: str  # hash: epoch, holder, until (ms), turn, attempts
    listeners: str  # sorted set: channel of every ingress that waits for this call → until when (ms)

    @property
    def all(self) -> tuple[str, str, str, str, str]:
        """Return the keys in the order in which scripts take them."""
        return (self.state, self.inbox, self.turns, self.lease, self.listeners)


@lru_cache(maxsize=4096)
def call(call_sid: str) -> CallKeys:
    """Return the keys of the call."""
    key = state(call_sid)
    tag = "{" + key + "}:"
    return CallKeys(key, tag + INBOX, tag + "turns", tag + "lease", tag + "listeners")


def outbox(call_sid: str) -> str:
    """Hash: the call's events that are not delivered yet, and how far each sink is (lua/include/outbox_write.lua)."""
    return "{" + state(call_sid) + "}:outbox"


def schedule(call_sid: str) -> str:
    """Hash: what the call has scheduled, and who carries it out (lua/include/schedule_write.lua)."""
    return "{" + state(call_sid) + "}:schedule"


def turns_beside(inbox: str) -> str:
    """Return `CallKeys.turns` of the call with that `inbox`."""
    return inbox.removesuffix(INBOX) + "turns"


def relay_documents(call_sid: str) -> str:
    """Hash: the numbers of the latest relay document whose session has begun and of the latest that is over, and who
    holds the session."""
    return "{" + state(call_sid) + "}:relay-documents"


def transfer_answers(call_sid: str) -> str:
    """Hash: id of a turn that transferred the caller, and the place of a target → the leg of who takes the call."""
    return "{" + state(call_sid) + "}:transfer-answers"


@dataclass(frozen=True, slots=True)
class ShardKeys:
    """What calls share: in a cluster they are spread over several of these, each in one slot."""

    calls: str  # sorted set: call SID of every active call → when its state expires (seconds)
    due: str  # sorted set: call SID of every call with waiting turns → when somebody must look after it (ms)
    queue: str  # arq's sorted set of jobs: job id → when it is due (ms)
    wake: str  # list: one token for each worker to wake up
    rounds: str  # hash: when somebody looked last for calls in `due`, and from when on they may (ms)
    tag: str = ""  # what stands before every key of arq's

    @property
    def agenda(self) -> str:
        """Sorted set: call SID of every call that is open or has events to deliver → when to look at it next (ms)."""
        return f"{self.tag or 'voiceagent:'}agenda"

    @property
    def schedules(self) -> str:
        """Sorted set: call SID of every call that has something scheduled → when to look at its schedule next (ms)."""
        return f"{self.tag or 'voiceagent:'}schedules"

    @property
    def rollout(self) -> str:
        """Hash: the rollout plan; in a cluster a copy of it, and that of the first shard is the one that is changed."""
        return f"{self.tag or 'voiceagent:'}rollout"

    @property
    def rollout_outcomes(self) -> str:
        """Hash: version → how the last turns of its workers ended, while a version is ramped. Of the first shard."""
        return f"{self.tag or 'voiceagent:'}rollout-outcomes"

    def version_queue(self, version: str) -> str:
        """Sorted set like `queue`: the jobs of calls that are pinned to workers of this version (call_lane.lua)."""
        return f"{self.queue}:version:{version}"

    def version_workers(self, version: str) -> str:
        """Sorted set: worker id of that version → until when it lives for sure (ms)."""
        return f"{self.version_queue(version)}:workers"

    @property
    def versions(self) -> str:
        """Sorted set: version that has, or had, workers → when one of them said so last (ms)."""
        return f"{self.queue}:versions"

    def job(self, job_id: str) -> str:
        """String: the job, in arq's form."""
        return f"{self.tag}arq:job:{job_id}"

    def in_progress(self, job_id: str) -> str:
        """String: exists while a worker runs the job."""
        return f"{self.tag}arq:in-progress:{job_id}"


def write_mark_beside(key: str) -> str:
    """String: `WRITE_MARK`, in the slot of `key`."""
    tag = key.partition("}")[0] if key.startswith("{") else "{" + key
    return tag + "}:write-mark"


def wake_list(queue: str = QUEUE) -> str:
    """List: one token for each worker to wake up."""
    return queue + ":wake"


def reply_channel(ingress_id: str) -> str:
    """Pub/sub: tokens and results for one ingress."""
    return f"voiceagent:ingress:{ingress_id}"


def control_channel(holder: str) -> str:
    """Pub/sub: grants and cancellations for one worker."""
    return f"voiceagent:worker:{holder}"


def worker_room() -> str:
    """Sorted set: worker id → how many more turns it has room for."""
    return "voiceagent:workers:any:room"


def tenant_tag(tenant: str) -> str:
    """Return the tenant as it stands in the names of lanes, in leases and in grants. The name is the user's."""
    return quote(tenant, safe="")


PRESENCE_MS = 60_000


def worker_presence(holder: str) -> str:
    """Hash: how many grants were pushed to the worker, and when (ms); its version, and what its calls are pinned to.

    Kept for `PRESENCE_MS` after its word.
    """
    return f"{control_channel(holder)}:presence"


def worker_status(worker_id: str) -> str:
    """String: a worker's report on itself, as JSON, while it lives."""
    return f"voiceagent:worker-status:{worker_id}"


def drain_order(worker_id: str) -> str:
    """String: the worker was told to drain, until it has ended. In the slot of `WATCHED`, for the same command."""
    return "{voiceagent:watched}:drain:" + worker_id


def last_batch(worker_id: str) -> str:
    """String: the number of the batch of counts that a worker has added last to `FLEET_COUNTS`."""
    return "{voiceagent:fleet}:batch:" + worker_id


def history_minute(minute: int) -> str:
    """String: what all processes counted in the minute that began at `minute` (Unix seconds), as JSON."""
    return f"{{voiceagent:history}}:minute:{minute}"


def last_history_batch(process_id: str) -> str:
    """String: the number of the batch that a process has added last to the history."""
    return "{voiceagent:history}:batch:" + process_id


def idempotency_record(key: str) -> str:
    """String: what became of the order with this idempotency key, as JSON. The key is a client's: it is hashed."""
    return IDEMPOTENCY + sha256(key.encode()).hexdigest()


def limited_calls(limited_as: str) -> str:
    """Sorted set: call SID of every call that counts for a limit of this name → when it began (ms).

    Calls that are over are in it, too, until all lines seem taken. The name is the user's.
    """
    return "{voiceagent:limit:" + quote(limited_as, safe="+*") + "}:calls"


def begun_calls(name: str) -> str:
    """Sorted set: calls that began or were refused lately, each under a keyed hash of its SID → when (ms).

    `name` is a keyed hash of the number that they came from, or were placed to.
    """
    return "{voiceagent:rate:" + name + "}:begun"


def tombstone(fingerprint: str) -> str:
    """String: a call was erased; `fingerprint` is a keyed hash of its SID."""
    return f"voiceagent:erased:{fingerprint}"


SINGLE_SHARD = ShardKeys(ACTIVE_CALLS, DUE, QUEUE, wake_list(), "voiceagent:rounds")
"""The only shard of a server that has all keys in one place."""

SHARD_NUMBERS = (418, 508, 998, 888, 915, 148, 278, 368, 183, 228, 118, 945, 195, 668, 843, 953)
"""The names of a cluster's shards. The slot of each lies in the middle of its own sixteenth of all slots: masters
that share the slots evenly share the shards evenly, up to sixteen of them. Fixed: every process must go by the same."""


def _shard(number: int) -> ShardKeys:
    tag = f"{{voiceagent:hub:{number}}}:"
    queue = tag + QUEUE
    return ShardKeys(f"{tag}calls", f"{tag}due", queue, wake_list(queue), f"{tag}rounds", tag)


SHARDS = tuple(_shard(number) for number in SHARD_NUMBERS)
"""The shards of a cluster."""


def shard_of(shards: tuple[ShardKeys, ...], call_sid: str) -> ShardKeys:
    """Return the shard that the call belongs to as long as it lives."""
    return shards[crc32(call_sid.encode()) % len(shards)]


def aside(key: str) -> str:
    """Return the name, in the same slot, under which a key with the wrong type is kept."""
    prefix = key if key.startswith(("{", QUEUE[:4])) else "{" + key + "}"
    return prefix + ":set-aside"
