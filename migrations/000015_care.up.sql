-- Care: persons who were purged and are not loaded again, and what was let go on which day.
-- done: SELECT to_regclass('syncd.care') IS NOT NULL
BEGIN;

CREATE TABLE IF NOT EXISTS syncd.blocked (
    schema_name text COLLATE "C" NOT NULL,
    hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
    since       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema_name, hash)
);
COMMENT ON TABLE syncd.blocked IS 'Persons who were purged, as keyed hashes of the names that they had in a schema: they are not loaded again.';

CREATE TABLE IF NOT EXISTS syncd.care (
    task     text COLLATE "C" NOT NULL,
    day      date NOT NULL,
    holder   text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    counts   jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (task, day)
);
COMMENT ON TABLE syncd.care IS 'What was let go because its time was over, by day: one replica does it.';

COMMIT;
