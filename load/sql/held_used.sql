-- Uses up approvals: what goes now is not approved for another time. Locks: those rows. Idempotent.
DELETE FROM syncd.held
WHERE job = $1 AND schema_name = $2 AND table_name = $3 AND approved_at IS NOT NULL AND key_hash = ANY ($4)
