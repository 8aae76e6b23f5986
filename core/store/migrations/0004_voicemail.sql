-- What callers left for us to hear. The row is there before the first sample is; the audio is a file beside the store.
CREATE TABLE voicemails (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    voicemail_id TEXT NOT NULL UNIQUE,
    call_id      TEXT NOT NULL,
    line         TEXT NOT NULL,
    number       TEXT,
    withheld     INTEGER NOT NULL DEFAULT 0 CHECK (withheld IN (0, 1)),
    state        TEXT NOT NULL CHECK (state IN ('recording', 'received')),
    language     TEXT,
    duration_s   REAL NOT NULL DEFAULT 0,
    text         TEXT,
    partial      INTEGER NOT NULL DEFAULT 0 CHECK (partial IN (0, 1)),
    created_at   TEXT NOT NULL,
    heard_at     TEXT
) STRICT;

CREATE INDEX voicemails_by_number ON voicemails (number);
CREATE INDEX voicemails_open ON voicemails (id) WHERE state = 'recording';

-- What callers hear before the tone; line '' is every line without one of its own. audio: a WAV file, mono.
CREATE TABLE voicemail_greetings (
    line  TEXT PRIMARY KEY,
    text  TEXT,
    audio BLOB,
    CHECK ((text IS NULL) != (audio IS NULL))
) STRICT, WITHOUT ROWID;
