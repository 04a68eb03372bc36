-- A record may belong to a session, by the id of the session's record: it goes when the session goes.
ALTER TABLE record ADD COLUMN session BLOB;
CREATE INDEX record_session ON record (session) WHERE session IS NOT NULL;

-- The tenant's sessions that are kept for sessions of ours.
CREATE TABLE tenant_session (
    session    BLOB    NOT NULL PRIMARY KEY, -- the id of our session's record
    login      INTEGER NOT NULL,             -- names the login that it came of
    version    INTEGER NOT NULL,             -- counts changes since then
    value      BLOB    NOT NULL,             -- sealed
    used_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,             -- when the tenant has ended it in any case
    ended      INTEGER NOT NULL              -- 1: our session has ended, and what is left to do is to end this one
) STRICT, WITHOUT ROWID;
CREATE INDEX tenant_session_expires_at ON tenant_session (expires_at);
CREATE INDEX tenant_session_ended ON tenant_session (ended) WHERE ended;

-- Sessions that have ended, however they did. Each process reads on from where it was. The time is the database's: whoever
-- deletes a session need not say what time it is, and all instances have the same.
CREATE TABLE ended_session (
    seq      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    session  BLOB    NOT NULL,
    ended_at INTEGER NOT NULL
) STRICT;

-- Who has an owner is a session of somebody who is signed in.
CREATE TRIGGER session_ended AFTER DELETE ON record WHEN OLD.owner IS NOT NULL
BEGIN
    INSERT INTO ended_session (session, ended_at) VALUES (OLD.id, unixepoch());
    DELETE FROM record WHERE session = OLD.id;
    UPDATE tenant_session SET ended = 1 WHERE session = OLD.id;
END;
