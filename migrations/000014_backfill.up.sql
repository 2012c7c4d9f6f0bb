-- Backfills: what is to be read of a job outside of its schedule, cut into chunks that exclude each other, so that it can be
-- interrupted and shared by several processes. A chunk's ids are kept until it is done, and no longer.
-- done: SELECT to_regclass('syncd.backfill_chunk') IS NOT NULL
BEGIN;

CREATE TABLE IF NOT EXISTS syncd.backfill (
    backfill_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text COLLATE "C" NOT NULL,
    state       text NOT NULL CHECK (state IN ('planned', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),
    from_at     timestamptz,
    to_at       timestamptz,
    first       boolean NOT NULL DEFAULT false,
    automatic   boolean NOT NULL DEFAULT false,
    detached    boolean NOT NULL DEFAULT false,
    serial      boolean NOT NULL DEFAULT false,
    chunk_size  integer NOT NULL DEFAULT 0,
    parallel    integer NOT NULL DEFAULT 1,
    described   boolean NOT NULL DEFAULT false,
    mark        jsonb,
    first_memo  bytea,
    memo        bytea,
    memo_at     timestamptz,
    records     bigint NOT NULL DEFAULT 0,
    chunks      integer NOT NULL DEFAULT 0,
    requests_estimate bigint,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at    timestamptz,
    reason      text
);
COMMENT ON TABLE syncd.backfill IS 'Loads in chunks: of everything (from_at and to_at are empty), or of what changed in between.';
COMMENT ON COLUMN syncd.backfill.mark IS 'The job''s marks once every chunk is done: the source''s time before the ids were collected.';
COMMENT ON COLUMN syncd.backfill.described IS 'The structure of the source is known, and the tables agree with it.';
CREATE UNIQUE INDEX IF NOT EXISTS backfill_open ON syncd.backfill (job) WHERE state NOT IN ('succeeded', 'cancelled');

CREATE TABLE IF NOT EXISTS syncd.backfill_chunk (
    backfill_id bigint NOT NULL REFERENCES syncd.backfill ON DELETE CASCADE,
    no          integer NOT NULL,
    ids         text[] COLLATE "C",
    least       integer[],
    records     integer NOT NULL,
    state       text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'running', 'done', 'failed')),
    run_id      bigint,
    attempts    integer NOT NULL DEFAULT 0,
    reason      text,
    rows        bigint NOT NULL DEFAULT 0,
    requests    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (backfill_id, no)
);
ALTER TABLE syncd.backfill_chunk ALTER COLUMN ids SET STORAGE EXTERNAL; -- they are written once and gone soon: compressing them takes longer
COMMENT ON TABLE syncd.backfill_chunk IS 'Parts of a backfill, each a run of its own. ids are emptied when the chunk is done.';
COMMENT ON COLUMN syncd.backfill_chunk.least IS 'How many rows the list of ids showed of each record, where that is more than one of any.';
CREATE INDEX IF NOT EXISTS backfill_chunk_run ON syncd.backfill_chunk (run_id) WHERE state = 'running';

COMMIT;
