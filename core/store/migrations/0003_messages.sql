-- One row per short message, in and out. id is the order in which they came to us, whatever any clock said.
CREATE TABLE messages (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id    TEXT NOT NULL UNIQUE,
    line          TEXT NOT NULL,
    direction     TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    number        TEXT NOT NULL,               -- as the network gave it, or as it goes into the TPDU
    peer          TEXT NOT NULL,               -- the same party always reads the same here: for matching and searching
    text          TEXT,
    data          BLOB,                        -- user data of 8-bit messages; the whole PDU when it can't be decoded
    encoding      TEXT NOT NULL CHECK (encoding IN ('gsm7', 'ucs2', 'binary')),
    message_class INTEGER CHECK (message_class BETWEEN 0 AND 3),
    state         TEXT NOT NULL,
    reason        TEXT,
    network_text  TEXT,
    cms           INTEGER,
    parts         INTEGER NOT NULL DEFAULT 1,
    details       TEXT,                        -- JSON object: ports, replace_type, waiting, and what was asked for
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    -- outgoing
    client_ref    TEXT UNIQUE,
    digest        TEXT,                        -- of the whole request, to tell a repeated client_ref from a new message
    priority      INTEGER NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 2),  -- 0 goes first
    report        INTEGER NOT NULL DEFAULT 0 CHECK (report IN (0, 1)),
    on_unknown    TEXT NOT NULL DEFAULT 'hold' CHECK (on_unknown IN ('hold', 'resend')),
    dry_run       INTEGER NOT NULL DEFAULT 0 CHECK (dry_run IN (0, 1)),
    attempts      INTEGER NOT NULL DEFAULT 0,
    send_at       TEXT,
    expires_at    TEXT,
    next_try_at   TEXT,
    sent_at       TEXT,
    delivered_at  TEXT,
    -- incoming
    smsc          TEXT,
    network_at    TEXT,                        -- the service centre's time stamp, with its zone
    incomplete    INTEGER NOT NULL DEFAULT 0 CHECK (incomplete IN (0, 1)),
    silent        INTEGER NOT NULL DEFAULT 0 CHECK (silent IN (0, 1)),
    replaces      TEXT
) STRICT;

CREATE INDEX messages_by_peer ON messages (peer, id);
CREATE INDEX messages_by_direction ON messages (direction, id);
CREATE INDEX messages_open ON messages (line, priority, id) WHERE state IN ('queued', 'sending', 'unknown');
CREATE INDEX messages_queued ON messages (line) WHERE state = 'queued';
CREATE INDEX messages_expiring ON messages (line, expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX messages_held ON messages (line, peer, next_try_at) WHERE state = 'queued' AND next_try_at IS NOT NULL;
CREATE INDEX messages_accepted ON messages (line, created_at) WHERE direction = 'out';

-- Each part of a message: of an outgoing one with its fate, of an incoming one with what it carried.
CREATE TABLE message_parts (
    message_id   TEXT NOT NULL REFERENCES messages (message_id) ON DELETE CASCADE,
    part         INTEGER NOT NULL CHECK (part BETWEEN 1 AND 255),
    pdu          TEXT,                         -- outgoing: TPDU in hexadecimal; incoming: with the SMSC field
    text         TEXT,
    data         BLOB,
    state        TEXT NOT NULL,                -- out: waiting handed sent delivered failed unknown; in: received
    reference    INTEGER,                      -- TP-MR that the network gave
    sent_at      TEXT,
    status       INTEGER,                      -- TP-ST of the last report
    discharged_at TEXT,
    PRIMARY KEY (message_id, part)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_parts_by_reference ON message_parts (reference, sent_at) WHERE reference IS NOT NULL;

-- Incoming concatenated messages that parts may still be added to.
CREATE TABLE message_groups (
    message_id TEXT PRIMARY KEY REFERENCES messages (message_id) ON DELETE CASCADE,
    line       TEXT NOT NULL,
    peer       TEXT NOT NULL,
    reference  INTEGER NOT NULL,
    wide       INTEGER NOT NULL,
    total      INTEGER NOT NULL,
    told       INTEGER NOT NULL DEFAULT 0,     -- whether sms.received was sent for what there was
    first_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX message_groups_by_key ON message_groups (line, peer, reference, total);
CREATE INDEX message_groups_by_age ON message_groups (told, first_at);

-- Status reports as they came, also those that fit no message.
CREATE TABLE message_reports (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id    TEXT REFERENCES messages (message_id) ON DELETE CASCADE,
    part          INTEGER,
    line          TEXT NOT NULL,
    peer          TEXT NOT NULL,
    reference     INTEGER NOT NULL,
    status        INTEGER NOT NULL,
    discharged_at TEXT,
    at            TEXT NOT NULL
) STRICT;

-- Without it each deleted message would look through all reports.
CREATE INDEX message_reports_by_message ON message_reports (message_id);

-- The network's identity of every delivery that was taken, so that a second copy of it is known as one.
CREATE TABLE message_identities (
    identity TEXT PRIMARY KEY,
    line     TEXT NOT NULL,
    at       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX message_identities_by_age ON message_identities (at);

-- Words of messages. The text itself stays in its row.
CREATE VIRTUAL TABLE message_words USING fts5 (
    text, content = 'messages', content_rowid = 'id', tokenize = "unicode61 remove_diacritics 2"
);
CREATE TRIGGER messages_word_in AFTER INSERT ON messages WHEN new.text IS NOT NULL BEGIN
    INSERT INTO message_words (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER messages_word_out AFTER DELETE ON messages WHEN old.text IS NOT NULL BEGIN
    INSERT INTO message_words (message_words, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER messages_word_change AFTER UPDATE OF text ON messages BEGIN
    INSERT INTO message_words (message_words, rowid, text) SELECT 'delete', old.id, old.text WHERE old.text IS NOT NULL;
    INSERT INTO message_words (rowid, text) SELECT new.id, new.text WHERE new.text IS NOT NULL;
END;

-- For the guard's limits: calls placed by a line in the last hour and day.
CREATE INDEX calls_placed ON calls (line, started_at) WHERE direction = 'out';

-- For modem.history: what happened to modems, without reading a million other facts.
CREATE INDEX journal_of_modems ON journal (seq) WHERE topic IN ('modem.state', 'modem.lost', 'modem.recovery');
