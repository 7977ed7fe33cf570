-- What the controller remembers of its own doings, one row per fact, so that saving one more note writes one row.
CREATE TABLE memory (
    part     TEXT    NOT NULL, -- which part of the memory: run, note, born, volume, deletion, acknowledged, rejection
    key      TEXT    NOT NULL, -- names the fact within its part
    position INTEGER NOT NULL, -- order within the parts that are lists; 0 in the others
    value    TEXT    NOT NULL, -- JSON
    PRIMARY KEY (part, key)
) STRICT, WITHOUT ROWID;

-- What happened, for people.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, also after old events are dropped
    at       TEXT NOT NULL, -- RFC 3339, UTC
    env      TEXT NOT NULL,
    what     TEXT NOT NULL  -- JSON
) STRICT;
CREATE INDEX event_by_env ON event (env, sequence);

-- The last status of each environment, as it was shown.
CREATE TABLE status (
    env    TEXT PRIMARY KEY,
    status TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;
