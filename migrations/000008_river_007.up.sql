-- River's migration 7 of 8 for schema syncd: notifications as rows; defaults. River v0.51.1, Mozilla Public License 2.0,
-- https://github.com/riverqueue/river. The row in river_migration is written with it, so that it guards a second run.
-- done: SELECT EXISTS (SELECT FROM syncd.river_migration WHERE version = 7)
BEGIN;
DO $river$
BEGIN
IF EXISTS (SELECT FROM syncd.river_migration WHERE version = 7) THEN RETURN; END IF;

--
-- Notification outbox.
--

CREATE TABLE syncd.river_notification (
    id bigserial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    payload text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT topic_length CHECK (length(topic) > 0 AND length(topic) < 128)
);

CREATE INDEX river_notification_created_at_idx ON syncd.river_notification (created_at);
CREATE INDEX river_notification_topic_id_idx ON syncd.river_notification (topic, id);

--
-- SQLite JSONB conversion.
--
-- No-op. Postgres already stores River JSON columns as jsonb.

--
-- SQL cleanup.
--

--
-- Drop unused tables `river_client` and `river_client_queue`.
--

DROP TABLE syncd.river_client_queue;
DROP TABLE syncd.river_client;

--
-- Adds `DEFAULT 25` to `river_job.max_attempts`.
--

ALTER TABLE syncd.river_job
    ALTER COLUMN max_attempts SET DEFAULT 25;

--
-- Changes `river_queue.updated_at` to have a default of `CURRENT_TIMESTAMP`.
--

ALTER TABLE syncd.river_queue
    ALTER COLUMN updated_at SET DEFAULT CURRENT_TIMESTAMP;

INSERT INTO syncd.river_migration (line, version) VALUES ('main', 7);
END
$river$;
COMMIT;
