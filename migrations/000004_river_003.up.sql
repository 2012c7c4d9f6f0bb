-- River's migration 3 of 8 for schema syncd: tags are never NULL. River v0.51.1, Mozilla Public License 2.0,
-- https://github.com/riverqueue/river. The row in river_migration is written with it, so that it guards a second run.
-- done: SELECT EXISTS (SELECT FROM syncd.river_migration WHERE version = 3)
BEGIN;
DO $river$
BEGIN
IF EXISTS (SELECT FROM syncd.river_migration WHERE version = 3) THEN RETURN; END IF;

ALTER TABLE syncd.river_job ALTER COLUMN tags SET DEFAULT '{}';
UPDATE syncd.river_job SET tags = '{}' WHERE tags IS NULL;
ALTER TABLE syncd.river_job ALTER COLUMN tags SET NOT NULL;

INSERT INTO syncd.river_migration (version) VALUES (3);
END
$river$;
COMMIT;
