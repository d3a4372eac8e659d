-- Which advisories are about a package: a view, made anew by each scan.
CREATE TABLE advised (
    package TEXT PRIMARY KEY,
    record TEXT NOT NULL
) WITHOUT ROWID;
