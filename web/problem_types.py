"""The types of problems that the API answers with. docs/problems.md says of each what to do about it.

A type is a promise to clients: its name stays, and what it means, too.
"""

from dataclasses import dataclass

from orchestrator.errors import (
    ArchiveNotMigrated,
    ArchiveUnavailable,
    BadCallSid,
    BadCursor,
    BadRecordQuery,
    BadRollout,
    CallDeclined,
    CallEnded,
    CallErased,
    CallFull,
    CallRefused,
    CannotReplay,
    DestinationLimited,
    EncryptionKeyMissing,
    NoArchive,
    NoDeadLetter,
    NoTextSearch,
    Overloaded,
    RolloutChanged,
    StoreFull,
    StoreUnavailable,
    TurnRejected,
    UnknownCall,
    UnknownProcess,
    UnknownRecord,
    UnreadableState,
    ValueRefused,
    VoiceAgentError,
    WorkersTooOld,
)


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A type of problem. Its URI reference is `/problems/` and its `name`; `title` says in words what it is."""

    name: str
    title: str
    status: int

    @property
    def uri(self) -> str:
        """The value of the member `type`. It is the same wherever the API is mounted."""
        return f"/problems/{self.name}"


_TYPES_OF_ERRORS: tuple[tuple[type[VoiceAgentError], ProblemType], ...] = (
    (BadCallSid, ProblemType("bad-call-sid", "The call SID cannot be used", 400)),
    (UnknownCall, ProblemType("unknown-call", "There is no such call", 404)),
    (UnknownRecord, ProblemType("unknown-record", "There is no such record", 404)),
    (UnknownProcess, ProblemType("unknown-process", "There is no such process", 404)),
    (NoDeadLetter, ProblemType("unknown-dead-letter", "There is no such dead letter", 404)),
    (BadCursor, ProblemType("bad-cursor", "The cursor is none of a page before", 422)),
    (CannotReplay, ProblemType("not-replayable", "The turn cannot be run again", 409)),
    (BadRecordQuery, ProblemType("bad-record-query", "The search makes no sense", 422)),
    (BadRollout, ProblemType("bad-rollout", "The rollout cannot be changed like that", 422)),
    (RolloutChanged, ProblemType("rollout-changed", "Somebody else changed the rollout", 409)),
    (ValueRefused, ProblemType("value-refused", "The database cannot hold these values", 422)),
    (NoTextSearch, ProblemType("no-text-search", "The archive cannot be searched for words", 501)),
    (NoArchive, ProblemType("no-archive", "There is no archive of records", 501)),
    (ArchiveNotMigrated, ProblemType("archive-not-migrated", "The archive's tables are missing or old", 503)),
    (ArchiveUnavailable, ProblemType("archive-unavailable", "The archive does not answer", 503)),
    (TurnRejected, ProblemType("turn-rejected", "Another turn of the call is running", 409)),
    (CallErased, ProblemType("call-erased", "The call was erased", 410)),
    (CallFull, ProblemType("call-full", "The call holds as much as a call may", 410)),
    (CallEnded, ProblemType("call-ended", "The call has ended", 410)),
    (CallDeclined, ProblemType("call-declined", "The route of the call refuses it", 403)),
    (DestinationLimited, ProblemType("destination-limited", "The number was called too often", 429)),
    (Overloaded, ProblemType("overloaded", "Turns wait too long for a worker", 503)),
    (CallRefused, ProblemType("lines-busy", "All lines are busy", 503)),
    (StoreFull, ProblemType("store-full", "The store takes no more writes", 503)),
    (StoreUnavailable, ProblemType("store-unavailable", "The store does not answer", 503)),
    (WorkersTooOld, ProblemType("workers-too-old", "Workers of an older version still run", 503)),
    (EncryptionKeyMissing, ProblemType("encryption-key-missing", "The process lacks an encryption key", 503)),
    (UnreadableState, ProblemType("unreadable-state", "The state of the call cannot be read", 500)),
)
"""The first row that fits holds: a subclass stands before its class."""

WRONG_FIELDS = ProblemType("wrong-fields", "The fields of the request are wrong", 422)
STILL_RUNNING = ProblemType("still-running", "The turn is not answered yet", 504)
INSUFFICIENT_SCOPE = ProblemType("insufficient-scope", "The key may not do that", 403)
API_CLOSED = ProblemType("api-closed", "The API is closed without a key", 403)
FOREIGN_PAGE = ProblemType("foreign-page", "A session is used from elsewhere", 403)
NEEDS_HTTPS = ProblemType("needs-https", "The connection is not encrypted", 403)
ORDER_REFUSED = ProblemType("order-refused", "What is to be dialled is refused", 422)
OUTCOME_UNKNOWN = ProblemType("outcome-unknown", "Nobody knows yet whether the call was placed", 409)
NOT_CONFIGURED = ProblemType("not-configured", "A setting is missing", 501)
RATE_LIMITED = ProblemType("rate-limited", "The key has sent too many requests", 429)
PROVIDER_FAILED = ProblemType("provider-failed", "The provider did not do it", 502)

_OF_ROUTES = (
    WRONG_FIELDS, STILL_RUNNING, INSUFFICIENT_SCOPE, API_CLOSED, ORDER_REFUSED, OUTCOME_UNKNOWN, NOT_CONFIGURED,
    PROVIDER_FAILED, RATE_LIMITED, FOREIGN_PAGE, NEEDS_HTTPS,
)  # fmt: skip
_OF_PROVIDER_ERRORS = {422: ORDER_REFUSED, 409: OUTCOME_UNKNOWN, 501: NOT_CONFIGURED}

PROBLEM_TYPES: dict[str, ProblemType] = {
    kind.name: kind for kind in (*(kind for _, kind in _TYPES_OF_ERRORS), *_OF_ROUTES)
}
"""Every type by its name."""


def type_of(error: VoiceAgentError) -> ProblemType | None:
    """Return the type of an error of the product; None if a client should not meet it."""
    return next((kind for of, kind in _TYPES_OF_ERRORS if isinstance(error, of)), None)


def type_of_provider_error(status: int) -> ProblemType:
    """Return the type of a `ProviderError` with that status."""
    return _OF_PROVIDER_ERRORS.get(status, PROVIDER_FAILED)
