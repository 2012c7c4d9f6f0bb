-- Forgets under which names a record was found. Locks: those rows. Idempotent.
DELETE FROM syncd.record_rename WHERE schema_name = $1 AND (old = ANY ($2::text[]) OR new = ANY ($2::text[]))
