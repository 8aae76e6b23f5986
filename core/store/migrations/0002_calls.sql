-- One row per call. id is the order in which the calls came, whatever the clock said.
CREATE TABLE calls (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    call_id      TEXT NOT NULL UNIQUE,
    line         TEXT NOT NULL,
    direction    TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    number       TEXT,
    withheld     INTEGER NOT NULL DEFAULT 0 CHECK (withheld IN (0, 1)),
    state        TEXT NOT NULL,
    rings        INTEGER NOT NULL DEFAULT 0,
    started_at   TEXT NOT NULL,
    connected_at TEXT,
    ended_at     TEXT,
    duration_s   REAL,
    reason       TEXT,
    network_text TEXT,
    recording    TEXT,
    audio        TEXT      -- JSON object: what the audio of the call really did
) STRICT;

CREATE INDEX calls_by_line ON calls (line, id);
CREATE INDEX calls_open ON calls (id) WHERE ended_at IS NULL;

-- What was said in a call, in order: by the caller and by us.
CREATE TABLE turns (
    call_id     TEXT NOT NULL REFERENCES calls (call_id) ON DELETE CASCADE,
    ordinal     INTEGER NOT NULL,
    turn        INTEGER NOT NULL,
    role        TEXT NOT NULL CHECK (role IN ('caller', 'bot')),
    text        TEXT,
    heard_text  TEXT,
    understood  INTEGER CHECK (understood IN (0, 1)),
    confidence  REAL,
    engine      TEXT,
    language    TEXT,
    at_ms       INTEGER NOT NULL,
    duration_ms INTEGER,
    latency_ms  INTEGER,
    PRIMARY KEY (call_id, ordinal)
) STRICT, WITHOUT ROWID;
