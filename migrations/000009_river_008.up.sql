-- River's migration 8 of 8 for schema syncd: nothing on Postgres: job ids are never used twice anyway. River v0.51.1, Mozilla Public License 2.0,
-- https://github.com/riverqueue/river. The row in river_migration is written with it, so that it guards a second run.
-- done: SELECT EXISTS (SELECT FROM syncd.river_migration WHERE version = 8)
BEGIN;
DO $river$
BEGIN
IF EXISTS (SELECT FROM syncd.river_migration WHERE version = 8) THEN RETURN; END IF;

INSERT INTO syncd.river_migration (line, version) VALUES ('main', 8);
END
$river$;
COMMIT;
