-- Calls with their turns, and the events that told of them.
--
-- A call SID may be used again: each life of a call is a row of its own, known by when its state was created. Columns
-- are for searching; `data` has every field of the record, or of the turn. What text and jsonb cannot hold (U+0000 and
-- halves of surrogate pairs) is kept as its JSON escape: six characters.

CREATE TABLE voiceagent_calls (
    call_sid         text NOT NULL,
    started_at       timestamptz NOT NULL,
    ended_at         timestamptz,               -- null while the call is open
    duration_seconds double precision,
    status           text NOT NULL DEFAULT 'active',
    reason           text,
    channel          text,
    direction        text,
    from_number      text,
    to_number        text,
    agent            text,
    tenant           text,
    worker_version   text,
    phase            text,
    turns            integer NOT NULL DEFAULT 0,
    partial          boolean NOT NULL DEFAULT false,
    words            tsvector,                  -- of what was said, once the call is over
    data             jsonb NOT NULL,            -- the record without its turns
    PRIMARY KEY (call_sid, started_at)
);
CREATE INDEX voiceagent_calls_newest ON voiceagent_calls (started_at, call_sid);
CREATE INDEX voiceagent_calls_from ON voiceagent_calls (from_number, started_at);
CREATE INDEX voiceagent_calls_to ON voiceagent_calls (to_number, started_at);
CREATE INDEX voiceagent_calls_agent ON voiceagent_calls (agent, started_at);
CREATE INDEX voiceagent_calls_tenant ON voiceagent_calls (tenant, started_at);
CREATE INDEX voiceagent_calls_status ON voiceagent_calls (status, started_at);
CREATE INDEX voiceagent_calls_words ON voiceagent_calls USING gin (words);

CREATE TABLE voiceagent_turns (
    call_sid    text NOT NULL,
    started_at  timestamptz NOT NULL,
    position    integer NOT NULL,               -- in the call, from 0
    turn_id     text,
    kind        text,
    outcome     text,
    received_at timestamptz,
    data        jsonb NOT NULL,
    PRIMARY KEY (call_sid, started_at, position),
    FOREIGN KEY (call_sid, started_at) REFERENCES voiceagent_calls ON DELETE CASCADE
);

CREATE TABLE voiceagent_events (
    id          text PRIMARY KEY,
    type        text NOT NULL,
    call_sid    text,                           -- null if the call was erased
    started_at  timestamptz,
    seq         bigint,
    occurred_at timestamptz NOT NULL,
    kept_at     timestamptz NOT NULL DEFAULT now(),
    data        jsonb                           -- null where calls and turns have it
);
CREATE INDEX voiceagent_events_call ON voiceagent_events (call_sid, started_at, seq);

CREATE TABLE voiceagent_erased (
    life      bytea PRIMARY KEY,                -- a hash of the call SID and of when the call began
    erased_at timestamptz NOT NULL DEFAULT now()
);
