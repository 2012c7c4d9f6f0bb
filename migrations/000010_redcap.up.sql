-- What incremental runs need: the memo that a source keeps from run to run, what a run cost the upstream's log, the
-- request budget and the circuit of a server, shared by all processes, and identities that wait for approval.
-- done: SELECT to_regclass('syncd.circuit') IS NOT NULL
BEGIN;

ALTER TABLE syncd.run ADD COLUMN IF NOT EXISTS log_rows bigint NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS syncd.memo (
    job        text COLLATE "C" PRIMARY KEY,
    body       bytea NOT NULL,
    run_id     bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE syncd.memo IS 'What a source keeps from its last good run to the next, such as the structure that it read. Holds no record.';

CREATE TABLE IF NOT EXISTS syncd.budget (
    host       text COLLATE "C" PRIMARY KEY,
    next_at    timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE syncd.budget IS 'When the next request may be sent to a host, whoever sends it.';

CREATE TABLE IF NOT EXISTS syncd.circuit (
    source     text COLLATE "C" PRIMARY KEY,
    failures   integer NOT NULL DEFAULT 0,
    kind       text,
    down_since timestamptz,
    probe_at   timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE syncd.circuit IS 'Servers that failed several times in a row (down_since is set): nothing but a probe is sent to them.';

-- What the source calls a table or a column now, where it still has another name here (called, moves_to), and the name that
-- the source's memo has for it (renamed, revalued): how a list of renames that is met again is recognised.
ALTER TABLE syncd.table_def
    ADD COLUMN IF NOT EXISTS called  text COLLATE "C",
    ADD COLUMN IF NOT EXISTS renamed jsonb;
ALTER TABLE syncd.column_def
    ADD COLUMN IF NOT EXISTS called   text COLLATE "C",
    ADD COLUMN IF NOT EXISTS moves_to text COLLATE "C",
    ADD COLUMN IF NOT EXISTS renamed  jsonb,
    ADD COLUMN IF NOT EXISTS revalued jsonb;

CREATE INDEX IF NOT EXISTS record_rename_run ON syncd.record_rename (run_id);
COMMENT ON TABLE syncd.record_rename IS 'Records that were found under another name and moved with their rows, by run.';

COMMIT;
