-- The whole audit, oldest first, with the words over which the hash of each row is taken. They are put together here and not by a function of
-- the database, which who changed the rows may have changed too. Reads only.
SELECT audit_id, coalesce(prev_hash, ''), coalesce(row_hash, ''),
       jsonb_build_array(audit_id, (extract(epoch FROM at) * 1000000)::bigint, actor, action, subject, detail)::text
FROM syncd.audit ORDER BY audit_id
