-- Sessions that began at an OpenID provider end with the session there: SHA-256 of its issuer and sid.
ALTER TABLE record ADD COLUMN provider_session BLOB;
CREATE INDEX record_provider_session ON record (provider_session) WHERE provider_session IS NOT NULL;
