-- What people say to the daemons: which jobs and sources are paused, and which runs are to end; and when a daemon last had a
-- job in its file, so that slots of a job that is gone do not wait for ever.
-- done: SELECT to_regclass('syncd.pause') IS NOT NULL
BEGIN;

ALTER TABLE syncd.run ADD COLUMN IF NOT EXISTS cancel_at timestamptz;
ALTER TABLE syncd.run ADD COLUMN IF NOT EXISTS cancel_by text;
ALTER TABLE syncd.run ADD COLUMN IF NOT EXISTS cancel_now boolean NOT NULL DEFAULT false;
ALTER TABLE syncd.job ADD COLUMN IF NOT EXISTS planned_at timestamptz;

-- Runs of a slot are counted, and looked for where one was lost.
CREATE INDEX IF NOT EXISTS run_slot ON syncd.run (job, kind, slot_at) WHERE slot_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS syncd.pause (
    subject text COLLATE "C" PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT clock_timestamp(),
    by      text NOT NULL,
    reason  text NOT NULL DEFAULT ''
);
COMMENT ON TABLE syncd.pause IS 'Jobs and sources (redcap.main) that are paused: no run of them begins until they are resumed.';

COMMIT;
