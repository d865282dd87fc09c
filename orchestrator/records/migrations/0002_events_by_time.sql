-- Events by when they happened: those that are older than RETENTION_DAYS are deleted.

CREATE INDEX voiceagent_events_occurred ON voiceagent_events (occurred_at);
