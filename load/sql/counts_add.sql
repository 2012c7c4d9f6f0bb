-- Adds a batch's counts to those of its run; the CHECK of the table is the promise that no row vanishes.
-- Locks: the run's own rows.
INSERT INTO syncd.run_table AS t (run_id, schema_name, table_name, read, inserted, updated, unchanged, reencoded, superseded,
    duplicate, rejected, blocked, deleted, nonconforming, missing)
SELECT $1, u.*
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[]) AS u
ON CONFLICT (run_id, schema_name, table_name) DO UPDATE
SET read = t.read + excluded.read, inserted = t.inserted + excluded.inserted, updated = t.updated + excluded.updated,
    unchanged = t.unchanged + excluded.unchanged, reencoded = t.reencoded + excluded.reencoded,
    superseded = t.superseded + excluded.superseded, duplicate = t.duplicate + excluded.duplicate,
    rejected = t.rejected + excluded.rejected, blocked = t.blocked + excluded.blocked, deleted = t.deleted + excluded.deleted,
    nonconforming = t.nonconforming + excluded.nonconforming, missing = t.missing + excluded.missing
