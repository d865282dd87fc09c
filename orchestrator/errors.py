"""Every error the product raises on purpose.

    VoiceAgentError
    ├── BadSetting             a setting stops the process at start
    ├── BadCallSid             a call SID that cannot be stored safely
    ├── BadAgent               AGENT names no object that can answer a turn
    ├── BadReply               the agent yielded something that is not a reply; the turn fails
    │   ├── BadHandOff         it handed the call to an agent that nobody knows, or did so too often
    │   └── ScheduleRefused    it asked for more timers, activities or messages than a call may have, or a name twice
    ├── BadActivity            what an agent started is no function here, or its result is not JSON
    ├── ModelFailed            no language model answered; the turn fails
    ├── AgentRaised            the agent raised in a process of its own; the turn fails
    ├── AgentProcessFailed     no process could be started for an agent; the turn fails
    ├── AgentProcessLost       the process that ran the agent died; the turn is run again, or fails
    ├── AgentsStuck            too many agents block their threads; no more turns are run here
    ├── NoDeadLetter           there is no dead letter of that name
    ├── BadRollout             what is asked of the rollout plan makes no sense as things are
    ├── RolloutChanged         somebody else changed the rollout plan; nothing was written
    ├── StateConflict          a stale version was written; nothing was changed
    ├── UnreadableState        what is stored for a call is no state that this version knows
    │   └── UnreadableSeal     what is stored or published is encrypted, and cannot be opened here
    │       └── EncryptionKeyMissing  this process lacks its key; another may have it
    ├── NoArchive              no database is set that keeps the records of calls
    ├── UnknownRecord          the archive has no record of that call
    ├── BadRecordQuery         a filter, a limit or a cursor of a search in the archive is wrong
    ├── ValueRefused           the database of records will never take these values
    ├── ArchiveUnavailable     the database of records does not answer, or cannot do it now
    │   └── ArchiveNotMigrated its tables are missing, or older than this program
    ├── UnknownCall            the call has no state: it never began, or its TTL ran out
    ├── CallEnded              the call is over; the turn is dropped
    │   ├── CallErased         it was erased, and a provider's webhook must not begin it again
    │   └── CallFull           it holds as many turns, or bytes, as a call may
    ├── CallRefused            no room for a new call
    │   ├── CallerLimited      its number has called too often within a short time
    │   ├── DestinationLimited the number was called too often within a short time
    │   └── Overloaded         turns wait too long for a worker
    ├── CallDeclined           the hook of a route refuses a new call
    ├── TurnRejected           the agent's overlap policy is `reject` and a turn is running
    └── StoreUnavailable       Redis does not answer; the caller may try again
        ├── StoreFull          Redis answers, and refuses writes: it has no memory left
        ├── StoreDamaged       a key holds another type than ours
        └── StoreUnconfirmed   Redis has it, but too few replicas say that they have it, too

The first line of a docstring is the message a person reads when nothing more precise is known.
"""

from typing import ClassVar, Literal


class VoiceAgentError(Exception):
    """Something went wrong in VoiceAgent."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class BadSetting(VoiceAgentError):
    """A setting has a bad value. Correct the environment variable and start again."""


class BadCallSid(VoiceAgentError):
    """A call SID must be 1 to 256 bytes of text without '{', '}' or control characters."""


class BadAgent(VoiceAgentError):
    """AGENT names no agent. Use echo, receptionist, llm, or package.module:object."""


class BadReply(VoiceAgentError):
    """The agent yielded something that is not a reply. Yield text (str) and actions, and keep JSON in the slots."""


class BadHandOff(BadReply):
    """The agent handed the call to an agent that the routes do not name."""


class BadActivity(VoiceAgentError):
    """What an agent started is no function here, or its result is not JSON."""


class ModelFailed(VoiceAgentError):
    """No language model answered. Check LLM_MODEL, LLM_BASE_URL and LLM_API_KEY."""


class McpServerAway(VoiceAgentError):
    """A server of LLM_MCP_SERVERS does not answer. The model goes on without its tools."""


class AgentsStuck(VoiceAgentError):
    """Every agent thread is blocked. In the agent, await what takes long, or use asyncio.to_thread."""


class AgentRaised(VoiceAgentError):
    """The agent raised an error in a process of its own. The log says which, and where."""

    def __init__(self, kind: str, where: str, text: str) -> None:
        super().__init__()
        self.kind = kind
        self.where = where
        self.text = text
        """The traceback. It may hold what the caller said."""


class AgentProcessFailed(VoiceAgentError):
    """No process could be started for the agent. Look at the memory and the process limits of this machine."""


class AgentProcessLost(VoiceAgentError):
    """The process that ran the agent was lost. Look at what the agent does: its memory, its native code."""

    def __init__(self, *, with_others: bool) -> None:
        super().__init__()
        self.with_others = with_others
        """True if other turns were lost with it, so that this one need not be the cause."""


class NoDeadLetter(VoiceAgentError):
    """There is no dead letter of that name. `voiceagent dead` lists those there are."""


class CannotReplay(VoiceAgentError):
    """The turn of a dead letter cannot be run again."""


class BadCursor(VoiceAgentError):
    """This is no cursor of a page that was given before."""


class BadRollout(VoiceAgentError):
    """The rollout plan cannot be changed like that. `voiceagent rollout` shows it."""


class RolloutChanged(VoiceAgentError):
    """Somebody else has changed the rollout plan meanwhile. Look at `voiceagent rollout`, then decide again."""


class StateConflict(VoiceAgentError):
    """The state has changed since it was read. Read it again and repeat the change."""


class UnreadableState(VoiceAgentError):
    """The state of this call cannot be read: a newer version wrote it, or somebody edited it. Delete its key."""


class UnreadableSeal(UnreadableState):
    """What is stored is encrypted, and no key here opens it. Set STATE_ENCRYPTION_KEYS as in all other processes.

    If `is_key_missing`, another process may know the key; else it was changed or moved, or is plain and must not be.
    """

    def __init__(self, message: str | None = None, *, is_key_missing: bool = False) -> None:
        super().__init__(message)
        self.is_key_missing = is_key_missing


class EncryptionKeyMissing(UnreadableSeal):
    """What is stored is encrypted under a key that this process lacks. Set STATE_ENCRYPTION_KEYS as in all others."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"STATE_ENCRYPTION_KEYS lacks the key {key_id}.", is_key_missing=True)


class NoArchive(VoiceAgentError):
    """There is no archive of records here. Set EVENTS_DATABASE_URL to a PostgreSQL, then: voiceagent records migrate"""


class ScheduleRefused(BadReply):
    """An agent asked for more timers, activities or messages than a call may have, or for a name twice."""


class NoTextSearch(VoiceAgentError):
    """The archive is encrypted: nothing is found by words. Search by number, call SID, agent, outcome or time."""


class UnknownRecord(VoiceAgentError):
    """The archive has no record of that call."""


class BadRecordQuery(VoiceAgentError):
    """The search in the archive is wrong."""


class ValueRefused(VoiceAgentError):
    """The database of records will never take these values."""


class ArchiveUnavailable(VoiceAgentError):
    """The database of records does not answer. Check that it runs, and EVENTS_DATABASE_URL."""


class ArchiveNotMigrated(ArchiveUnavailable):
    """The tables of the records are missing, or older than this program. Run: voiceagent records migrate"""


class UnknownCall(VoiceAgentError):
    """No such call: it never began here, or its time to live ran out."""


class CallEnded(VoiceAgentError):
    """The call has ended. Start a new call."""


class CallErased(CallEnded):
    """The call was erased. A repeated webhook of it has no effect; start a new call."""


class CallFull(CallEnded):
    """The call holds as much as a call may, 1,000 turns or 1 MB, and has ended. Start a new call."""


class CallRefused(VoiceAgentError):
    """All lines are busy: the limit of active calls is reached. Try again later."""

    reason: ClassVar[Literal["limit", "caller", "destination", "overload"]] = "limit"
    """Under which name it is counted."""


class CallerLimited(CallRefused):
    """Too many calls came from this number within a short time (CALLER_RATE_LIMIT). Try again later."""

    reason = "caller"


class DestinationLimited(CallRefused):
    """Too many calls were placed to this number within a short time (DESTINATION_RATE_LIMIT). Try again later."""

    reason = "destination"

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after
        """In seconds."""


class Overloaded(CallRefused):
    """Turns wait too long for a worker, so no new call is taken (SHED_AFTER_SECONDS). Try again in a moment."""

    reason = "overload"


class CallDeclined(VoiceAgentError):
    """This call is not taken: the hook of its route refuses it. Look at what the hook answers."""

    def __init__(self, words: str = "") -> None:
        super().__init__(words or None)
        self.words = words
        """What the caller is to hear; "" leaves that to the channel."""


class TurnRejected(VoiceAgentError):
    """The agent is still answering the turn before this one. Send this turn again later."""


class WorkersTooOld(VoiceAgentError):
    """A worker of an older version, which knows no signals, still runs. Send this again when the deploy is over."""


class UnknownProcess(VoiceAgentError):
    """No worker that lives has this id. `GET /processes` and `voiceagent workers` list them."""


class StoreUnavailable(VoiceAgentError):
    """Redis does not answer. Check that it runs and that REDIS_URL is right; calls are held until then."""


class StoreFull(StoreUnavailable):
    """Redis has no memory left. Raise its maxmemory or lower STATE_TTL_SECONDS."""


class StoreDamaged(StoreUnavailable):
    """A key in Redis holds data that VoiceAgent never wrote. The log names it; find out what writes to this Redis."""


class StoreUnconfirmed(StoreUnavailable):
    """Too few replicas confirm writes. Check the replicas, or lower REDIS_WAIT_REPLICAS."""
