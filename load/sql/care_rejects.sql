-- Removes rejects of a job ($1) that were stored, or last seen, before $2, at most $3. Locks: those rows.
DELETE FROM syncd.reject
WHERE reject_id = ANY (ARRAY(SELECT reject_id FROM syncd.reject WHERE job = $1 AND coalesce(resolved_at, last_at) < $2 LIMIT $3))
