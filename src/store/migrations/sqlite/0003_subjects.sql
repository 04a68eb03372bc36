-- The administrator's list: who somebody is to Qlik. `identity` is an identity's key, such as oidc:ada.
CREATE TABLE listed_subject (
    identity TEXT NOT NULL PRIMARY KEY,
    subject  TEXT NOT NULL,
    folded   TEXT NOT NULL -- the subject without regard to case
) STRICT, WITHOUT ROWID;
CREATE INDEX listed_subject_folded ON listed_subject (folded);

-- What the tenant said when it was asked who somebody is; empty: no user, or several. Asked once.
CREATE TABLE found_subject (
    identity TEXT NOT NULL PRIMARY KEY,
    subject  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Whose a subject is. The primary key is what makes it one identity's at a time.
CREATE TABLE held_subject (
    folded   TEXT    NOT NULL PRIMARY KEY,
    subject  TEXT    NOT NULL,
    identity TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    left_at  INTEGER           -- since when its holder has had another one; it stays theirs until it is released
) STRICT, WITHOUT ROWID;
CREATE INDEX held_subject_identity ON held_subject (identity);
