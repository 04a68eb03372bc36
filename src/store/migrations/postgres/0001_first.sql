-- All tables as the SQLite database has them after its sixth step; what each is for is told there. Texts are ordered by their
-- bytes, so that lists have the same order in both. Times are seconds since 1970, UTC.

-- The time by the database's clock: all instances have the same. SQLite has a function of this name.
CREATE FUNCTION unixepoch() RETURNS BIGINT LANGUAGE sql VOLATILE AS
    'SELECT floor(extract(epoch FROM clock_timestamp()))::BIGINT';

CREATE TABLE account (
    id            TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL,
    email         TEXT   NOT NULL,
    groups        TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    created_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX account_email ON account (lower(email));

CREATE TABLE record (
    id               BYTEA  NOT NULL PRIMARY KEY,
    owner            BYTEA,
    value            BYTEA  NOT NULL,
    expires_at       BIGINT NOT NULL,
    provider_session BYTEA,
    session          BYTEA
);
CREATE INDEX record_owner ON record (owner) WHERE owner IS NOT NULL;
CREATE INDEX record_expires_at ON record (expires_at);
CREATE INDEX record_by_end ON record (expires_at, id) WHERE owner IS NOT NULL;
CREATE INDEX record_provider_session ON record (provider_session) WHERE provider_session IS NOT NULL;
CREATE INDEX record_session ON record (session) WHERE session IS NOT NULL;

CREATE TABLE attempt (
    id         BYTEA  NOT NULL PRIMARY KEY,
    count      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX attempt_expires_at ON attempt (expires_at);

CREATE TABLE listed_subject (
    identity TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subject  TEXT NOT NULL,
    folded   TEXT COLLATE "C" NOT NULL
);
CREATE INDEX listed_subject_folded ON listed_subject (folded);

CREATE TABLE found_subject (
    identity TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subject  TEXT NOT NULL
);

CREATE TABLE held_subject (
    folded   TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    subject  TEXT   NOT NULL,
    identity TEXT   COLLATE "C" NOT NULL,
    since    BIGINT NOT NULL,
    left_at  BIGINT
);
CREATE INDEX held_subject_identity ON held_subject (identity);

CREATE TABLE held (
    session    BYTEA  NOT NULL,
    kind       BIGINT NOT NULL,
    login      BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    value      BYTEA  NOT NULL,
    used_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended      BIGINT NOT NULL,
    PRIMARY KEY (session, kind)
);
CREATE INDEX held_expires_at ON held (expires_at);
CREATE INDEX held_ended ON held (kind) WHERE ended = 1;

CREATE TABLE ended_session (
    seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session  BYTEA  NOT NULL,
    ended_at BIGINT NOT NULL
);
CREATE INDEX ended_session_ended_at ON ended_session (ended_at);

-- What belongs to a session goes with it, and everybody is told. The lock is taken last, when there is nothing more to wait for:
-- it makes the order of the numbers that of the commits, so that whoever reads on from the last number misses nothing.
CREATE FUNCTION sessions_ended() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM gone WHERE owner IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    DELETE FROM record WHERE session IN (SELECT id FROM gone WHERE owner IS NOT NULL);
    UPDATE held SET ended = 1 WHERE session IN (SELECT id FROM gone WHERE owner IS NOT NULL);
    PERFORM pg_advisory_xact_lock('ended_session'::regclass::oid::BIGINT);
    INSERT INTO ended_session (session, ended_at) SELECT id, unixepoch() FROM gone WHERE owner IS NOT NULL;
    NOTIFY qlik_embed_bff, 'ended';
    RETURN NULL;
END $$;
CREATE TRIGGER session_ended AFTER DELETE ON record REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION sessions_ended();

-- Instances keep records in memory for some seconds. Whoever has this one forgets it.
CREATE FUNCTION record_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('qlik_embed_bff', encode(NEW.id, 'hex'));
    RETURN NULL;
END $$;
CREATE TRIGGER record_changed AFTER UPDATE OF value ON record
    FOR EACH ROW EXECUTE FUNCTION record_changed();
