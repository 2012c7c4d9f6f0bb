-- Records instants at which a job was due, the first $4 of them as skipped with a reason; answers with those that
-- nobody had recorded. Locks: the rows it inserts. Idempotent, also between replicas.
INSERT INTO syncd.slot (job, kind, slot_at, state, reason, ended_at)
SELECT $1, $2, t, CASE WHEN n <= $4 THEN 'skipped' ELSE 'due' END, CASE WHEN n <= $4 THEN $5 END,
       CASE WHEN n <= $4 THEN clock_timestamp() END
FROM unnest($3::timestamptz[]) WITH ORDINALITY AS u (t, n)
ON CONFLICT DO NOTHING
RETURNING slot_at
