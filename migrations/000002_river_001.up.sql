-- River's migration 1 of 8 for schema syncd: the table in which River notes its own migrations. River v0.51.1, Mozilla Public License 2.0,
-- https://github.com/riverqueue/river. The row in river_migration is written with it, so that it guards a second run.
-- done: SELECT EXISTS (SELECT FROM syncd.river_migration WHERE version = 1)
BEGIN;
DO $river$
BEGIN
IF to_regclass('syncd.river_migration') IS NOT NULL THEN RETURN; END IF;

CREATE TABLE syncd.river_migration(
  id bigserial PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT NOW(),
  version bigint NOT NULL,
  CONSTRAINT version CHECK (version >= 1)
);

CREATE UNIQUE INDEX ON syncd.river_migration USING btree(version);

INSERT INTO syncd.river_migration (version) VALUES (1);
END
$river$;
COMMIT;
