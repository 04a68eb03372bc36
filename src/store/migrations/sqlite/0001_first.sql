-- Local accounts. `id` is the canonical (lower-case) sign-in name.
CREATE TABLE account (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    email         TEXT    NOT NULL COLLATE NOCASE UNIQUE,
    groups        TEXT    NOT NULL, -- JSON array of names
    password_hash TEXT    NOT NULL, -- PHC string, argon2id
    created_at    INTEGER NOT NULL  -- seconds since 1970, UTC, as all times here
) STRICT;

-- What expires: sessions. `id` is the SHA-256 of the name that the visitor holds, `value` is sealed.
CREATE TABLE record (
    id         BLOB    NOT NULL PRIMARY KEY,
    owner      BLOB,             -- SHA-256 of the identity's key, to end all that belongs to somebody
    value      BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX record_owner ON record (owner) WHERE owner IS NOT NULL;
CREATE INDEX record_expires_at ON record (expires_at);

-- Failed attempts to sign in, counted per account and per address.
CREATE TABLE attempt (
    id         BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of what is counted
    count      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_expires_at ON attempt (expires_at);
