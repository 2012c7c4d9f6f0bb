-- Pauses every job that is not retired but these ($3), by $1 for a reason $2. Locks: the rows it inserts. Idempotent: what is paused keeps
-- its reason.
INSERT INTO syncd.pause (subject, by, reason)
SELECT job, $1, $2 FROM syncd.job WHERE retired_at IS NULL AND job <> ALL ($3::text[]) ORDER BY job
ON CONFLICT DO NOTHING
RETURNING subject
