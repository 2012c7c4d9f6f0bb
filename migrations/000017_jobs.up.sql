-- Jobs that vanish from the configuration, come back, or go on under another name. A job that has vanished keeps its schema
-- in the ledger, and leaves it to one that the configuration names.
-- done: SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('syncd.job') AND attname = 'renamed_from' AND NOT attisdropped)
BEGIN;

ALTER TABLE syncd.job
    ADD COLUMN IF NOT EXISTS seen_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN IF NOT EXISTS retired_at   timestamptz,
    ADD COLUMN IF NOT EXISTS renamed_from text COLLATE "C";
COMMENT ON COLUMN syncd.job.seen_at IS 'When a run of the job last began, or a daemon last read of it.';
COMMENT ON COLUMN syncd.job.retired_at IS 'When the job was found to be in no configuration any more; NULL while it is in one.';
COMMENT ON COLUMN syncd.job.renamed_from IS 'The name under which the job was known before; it keeps the schema of that time.';

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('syncd.job_schema_name') AND indpred IS NULL) THEN
        DROP INDEX syncd.job_schema_name;
    END IF;
END $$;
CREATE UNIQUE INDEX IF NOT EXISTS job_schema_name ON syncd.job (schema_name) WHERE retired_at IS NULL;

COMMIT;
