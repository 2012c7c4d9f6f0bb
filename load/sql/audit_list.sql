-- What people did, newest first, before the row $1 where that is given, and only with this action ($2) where that is given. Reads only.
SELECT audit_id, at, actor, action, subject, coalesce(detail, 'null'::jsonb)
FROM syncd.audit
WHERE ($1::bigint = 0 OR audit_id < $1) AND ($2::text = '' OR action = $2)
ORDER BY audit_id DESC LIMIT $3
