-- One row per finished recording; a file without a row is one that a crash cut off, or that is being made.
CREATE TABLE recordings (
    call_id         TEXT NOT NULL REFERENCES calls (call_id) ON DELETE CASCADE,
    part            INTEGER NOT NULL,   -- from 1, several where recording was stopped and begun again; 0: none, see problem
    path            TEXT,               -- NULL: nothing could be recorded
    format          TEXT NOT NULL,
    duration_s      REAL NOT NULL,
    bytes           INTEGER NOT NULL,
    problem         TEXT,
    made_at         TEXT NOT NULL,
    removed_at      TEXT,
    removed_because TEXT,               -- age or size
    PRIMARY KEY (call_id, part)
) STRICT, WITHOUT ROWID;
