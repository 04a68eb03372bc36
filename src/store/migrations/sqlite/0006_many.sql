-- For many sessions: those that are listed, those that expire, and ends that are forgotten, are found without looking at all.
CREATE INDEX record_by_end ON record (expires_at, id) WHERE owner IS NOT NULL;
CREATE INDEX ended_session_ended_at ON ended_session (ended_at);
