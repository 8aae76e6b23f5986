-- The journal of facts. AUTOINCREMENT: a seq is never given twice, not even after the newest rows were expired.
CREATE TABLE journal (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    topic  TEXT NOT NULL,
    at     TEXT NOT NULL,  -- RFC 3339, UTC, milliseconds: sorts as text
    params TEXT NOT NULL   -- JSON object
) STRICT;

-- How far each named consumer has acknowledged: all facts up to and including seq.
CREATE TABLE consumers (
    name     TEXT PRIMARY KEY,
    seq      INTEGER NOT NULL CHECK (seq >= 0),
    acked_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
