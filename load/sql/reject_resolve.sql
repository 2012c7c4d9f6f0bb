-- Says of rejects that a row with their key is stored now. Locks: those rows. Idempotent.
UPDATE syncd.reject
SET resolved_at = clock_timestamp()
WHERE job = $1 AND table_name = $2 AND key_hash = ANY ($3) AND resolved_at IS NULL
