-- What is held of the tenant for sessions of ours: its session, and an access token. Until now, only its session.
CREATE TABLE held (
    session    BLOB    NOT NULL, -- the id of our session's record
    kind       INTEGER NOT NULL, -- 1: the tenant's session, 2: an access token
    login      INTEGER NOT NULL, -- names the asking that it came of
    version    INTEGER NOT NULL, -- counts changes since then
    value      BLOB    NOT NULL, -- sealed
    used_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, -- when it is over for the tenant in any case
    ended      INTEGER NOT NULL, -- 1: our session has ended, and what is left to do is to give this back
    PRIMARY KEY (session, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX held_expires_at ON held (expires_at);
CREATE INDEX held_ended ON held (kind) WHERE ended;
INSERT INTO held SELECT session, 1, login, version, value, used_at, expires_at, ended FROM tenant_session;

DROP TRIGGER session_ended;
DROP TABLE tenant_session;
-- As before, with the other table.
CREATE TRIGGER session_ended AFTER DELETE ON record WHEN OLD.owner IS NOT NULL
BEGIN
    INSERT INTO ended_session (session, ended_at) VALUES (OLD.id, unixepoch());
    DELETE FROM record WHERE session = OLD.id;
    UPDATE held SET ended = 1 WHERE session = OLD.id;
END;
