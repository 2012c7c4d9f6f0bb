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

COMMIT;
