-- The queue of jobs: one row a job, whoever of the processes on this folder queued it.
CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    receipt TEXT,
    again INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
