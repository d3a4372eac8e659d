-- The ledger, version 1. Records are JSON; columns beside them are what rows are found by.
-- Times are microseconds since 1970, digests hex, packages and owners lower case.

CREATE TABLE intents (
    id TEXT PRIMARY KEY,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    publisher TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_by_version ON intents (package, version) WHERE closed = 0;
CREATE INDEX intents_by_publisher ON intents (publisher, created_at, expires_at, closed);
CREATE INDEX intents_by_expiry ON intents (expires_at);

CREATE TABLE seen_tokens (
    issuer TEXT NOT NULL,
    jti TEXT NOT NULL,
    intent TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (issuer, jti)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_tokens_by_end ON seen_tokens (until);

-- Releases that wait for their train. No read looks here: what is not in `releases` is not visible.
CREATE TABLE hidden (
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    train TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (package, version)
) STRICT;
CREATE INDEX hidden_by_train ON hidden (train);
CREATE TABLE trains (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX trains_by_expiry ON trains (expires_at);

CREATE TABLE releases (
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    in_service INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    record TEXT NOT NULL,
    original TEXT NOT NULL,
    PRIMARY KEY (package, version)
) STRICT;
CREATE TABLE blob_uses (
    digest TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (digest, package, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE heads (
    package TEXT PRIMARY KEY,
    skeleton TEXT NOT NULL,
    identifier TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX heads_by_skeleton ON heads (skeleton);
CREATE TABLE owners (
    owner TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE natives (
    ecosystem TEXT NOT NULL,
    name TEXT NOT NULL,
    identifier TEXT NOT NULL,
    PRIMARY KEY (ecosystem, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    package TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (package, sequence)
) STRICT;

CREATE TABLE reservations (
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE downloads (
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    day TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (package, version, day)
) STRICT, WITHOUT ROWID;

-- One row: how often what reads return has changed.
CREATE TABLE generation (
    value INTEGER NOT NULL
) STRICT;
INSERT INTO generation VALUES (1);
