-- The ledger: runs, slots, claims, marks, batches, rejects, and what is known of every table syncd keeps.
-- One idempotent transaction, like every migration here: run twice it changes nothing.
-- done: SELECT to_regclass('syncd.audit') IS NOT NULL
BEGIN;

CREATE SCHEMA IF NOT EXISTS syncd;
COMMENT ON SCHEMA syncd IS 'syncd''s own ledger: runs, proofs, rejects, marks. Written by syncd only.';

-- Which warehouse this is; a clone or a restored dump is recognised by it.
CREATE TABLE IF NOT EXISTS syncd.installation (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id         uuid        NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO syncd.installation DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS syncd.job (
    job        text COLLATE "C" PRIMARY KEY,
    schema_name text COLLATE "C" NOT NULL,
    source     text NOT NULL,
    server     text,
    source_id  text,
    title      text,
    version    text,
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    bound_at   timestamptz,
    spec       text,
    spec_since timestamptz
);
COMMENT ON TABLE syncd.job IS 'Jobs by name: the schema they write, and the (server, source_id) they were bound to at their first run.';
CREATE UNIQUE INDEX IF NOT EXISTS job_schema_name ON syncd.job (schema_name);

CREATE TABLE IF NOT EXISTS syncd.run (
    run_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job            text COLLATE "C" NOT NULL,
    kind           text NOT NULL,
    slot_at        timestamptz,
    chunk          text COLLATE "C" NOT NULL DEFAULT '',
    epoch          bigint NOT NULL DEFAULT 0,
    holder         text,
    schema_name    text COLLATE "C",
    state          text NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'held', 'cancelled', 'lost', 'skipped')),
    verdict        text CHECK (verdict IN ('proven', 'unproven', 'mismatch')),
    verdict_reason text,
    proofs         jsonb,
    warnings       text[],
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at       timestamptz,
    requests       bigint NOT NULL DEFAULT 0,
    bytes          bigint NOT NULL DEFAULT 0,
    drift_found    bigint NOT NULL DEFAULT 0,
    error_kind     text,
    error          text,
    error_next     text
);
COMMENT ON TABLE syncd.run IS 'One row per execution of a job, with its verdict: what was proved about it.';
CREATE INDEX IF NOT EXISTS run_job ON syncd.run (job, run_id DESC);
CREATE INDEX IF NOT EXISTS run_running ON syncd.run (job) WHERE state = 'running';

CREATE TABLE IF NOT EXISTS syncd.run_table (
    run_id      bigint NOT NULL REFERENCES syncd.run,
    schema_name text COLLATE "C" NOT NULL,
    table_name  text COLLATE "C" NOT NULL,
    read        bigint NOT NULL DEFAULT 0,
    inserted    bigint NOT NULL DEFAULT 0,
    updated     bigint NOT NULL DEFAULT 0,
    unchanged   bigint NOT NULL DEFAULT 0,
    reencoded   bigint NOT NULL DEFAULT 0,
    superseded  bigint NOT NULL DEFAULT 0,
    duplicate   bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    blocked     bigint NOT NULL DEFAULT 0,
    deleted     bigint NOT NULL DEFAULT 0,
    nonconforming bigint NOT NULL DEFAULT 0,
    missing     bigint NOT NULL DEFAULT 0,
    live        bigint,
    PRIMARY KEY (run_id, schema_name, table_name),
    CONSTRAINT every_row_accounted_for CHECK
        (read = inserted + updated + unchanged + reencoded + superseded + duplicate + rejected + blocked)
);
COMMENT ON TABLE syncd.run_table IS 'Rows by outcome, per run and table. The CHECK is the promise that no row vanishes.';

CREATE TABLE IF NOT EXISTS syncd.batch (
    run_id       bigint NOT NULL REFERENCES syncd.run,
    seq          bigint NOT NULL,
    counts       jsonb  NOT NULL,
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, seq)
);
COMMENT ON TABLE syncd.batch IS 'Batches that were committed: how a batch whose COMMIT reply was lost is recognised.';

CREATE TABLE IF NOT EXISTS syncd.claim (
    job     text COLLATE "C" NOT NULL,
    chunk   text COLLATE "C" NOT NULL DEFAULT '',
    epoch   bigint NOT NULL DEFAULT 0,
    holder  text,
    run_id  bigint,
    beat_at timestamptz,
    PRIMARY KEY (job, chunk)
);
COMMENT ON TABLE syncd.claim IS 'The right to write for (job, chunk). A new holder raises the epoch; a batch of an older epoch is refused.';

CREATE TABLE IF NOT EXISTS syncd.slot (
    job     text COLLATE "C" NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    slot_at timestamptz NOT NULL,
    state   text NOT NULL CHECK (state IN ('due', 'running', 'succeeded', 'failed', 'skipped')),
    run_id  bigint,
    reason  text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    PRIMARY KEY (job, kind, slot_at)
);
COMMENT ON TABLE syncd.slot IS 'Every instant at which a job was due, and how it ended.';
CREATE INDEX IF NOT EXISTS slot_open ON syncd.slot (slot_at) WHERE state IN ('due', 'running');

CREATE TABLE IF NOT EXISTS syncd.mark (
    job        text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    value      text NOT NULL,
    run_id     bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job, name)
);
COMMENT ON TABLE syncd.mark IS 'How far a job has read its source; moved in the transaction that commits what the mark stands for.';

CREATE TABLE IF NOT EXISTS syncd.reject (
    reject_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job          text COLLATE "C" NOT NULL,
    table_name   text COLLATE "C" NOT NULL,
    key_hash     uuid NOT NULL,
    source_key   text,
    column_name  text COLLATE "C" NOT NULL DEFAULT '',
    rule         text NOT NULL,
    sqlstate     text,
    raw          bytea,
    first_run_id bigint NOT NULL,
    last_run_id  bigint NOT NULL,
    seen         bigint NOT NULL DEFAULT 1,
    first_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at  timestamptz,
    UNIQUE (job, table_name, key_hash, column_name, rule)
);
COMMENT ON TABLE syncd.reject IS 'Rows that could not be stored, with their reason and bytes. Grant it to nobody who may not see the data.';

CREATE TABLE IF NOT EXISTS syncd.table_def (
    schema_name text COLLATE "C" NOT NULL,
    table_name  text COLLATE "C" NOT NULL,
    job         text COLLATE "C" NOT NULL,
    source_name text NOT NULL,
    comment     text,
    encoding    integer NOT NULL,
    shape       uuid,
    reshaped    boolean NOT NULL DEFAULT false,
    generation  integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at  timestamptz,
    PRIMARY KEY (schema_name, table_name)
);
COMMENT ON TABLE syncd.table_def IS 'Tables that syncd keeps, by schema and name, and the job that writes them.';

CREATE TABLE IF NOT EXISTS syncd.column_def (
    schema_name text COLLATE "C" NOT NULL,
    table_name  text COLLATE "C" NOT NULL,
    column_name text COLLATE "C" NOT NULL,
    column_id   integer NOT NULL,
    source_name text NOT NULL,
    field       text,
    part        integer NOT NULL DEFAULT 0,
    is_key      boolean NOT NULL DEFAULT false,
    pg_type     text NOT NULL,
    label       text,
    choices     text,
    identifier  boolean NOT NULL DEFAULT false,
    comment     text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    unnamed_at  timestamptz,
    retired_at  timestamptz,
    PRIMARY KEY (schema_name, table_name, column_id),
    FOREIGN KEY (schema_name, table_name) REFERENCES syncd.table_def ON UPDATE CASCADE
);
COMMENT ON TABLE syncd.column_def IS 'Columns of those tables: the source''s own words, the type, and a column_id that never changes.';
CREATE INDEX IF NOT EXISTS column_def_name ON syncd.column_def (schema_name, table_name, column_name);

CREATE TABLE IF NOT EXISTS syncd.schema_change (
    change_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name text COLLATE "C" NOT NULL,
    table_name  text COLLATE "C" NOT NULL,
    column_name text COLLATE "C" NOT NULL DEFAULT '',
    kind        text NOT NULL,
    detail      text NOT NULL,
    statement   text NOT NULL,
    state       text NOT NULL CHECK (state IN ('applied', 'pending', 'withdrawn')),
    reason      text,
    run_id      bigint,
    first_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at  timestamptz
);
COMMENT ON TABLE syncd.schema_change IS 'Changes of structure: applied by syncd, or pending with the reason why they wait.';
CREATE UNIQUE INDEX IF NOT EXISTS schema_change_pending ON syncd.schema_change (schema_name, table_name, column_name, kind)
    WHERE state = 'pending';

CREATE TABLE IF NOT EXISTS syncd.record_rename (
    schema_name text COLLATE "C" NOT NULL,
    old         text COLLATE "C" NOT NULL,
    new         text COLLATE "C" NOT NULL,
    run_id      bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema_name, old, new, run_id)
);

CREATE TABLE IF NOT EXISTS syncd.held (
    run_id      bigint NOT NULL REFERENCES syncd.run,
    job         text COLLATE "C" NOT NULL,
    schema_name text COLLATE "C" NOT NULL,
    table_name  text COLLATE "C" NOT NULL,
    key_hash    uuid NOT NULL,
    approved_at timestamptz,
    approved_by text,
    PRIMARY KEY (run_id, schema_name, table_name, key_hash)
);
COMMENT ON TABLE syncd.held IS 'Keys whose deletion the brake holds until somebody approves the run.';

CREATE TABLE IF NOT EXISTS syncd.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor    text NOT NULL,
    action   text NOT NULL,
    subject  text NOT NULL,
    detail   jsonb
);
COMMENT ON TABLE syncd.audit IS 'Care actions: who did what to which job, when.';

COMMIT;
