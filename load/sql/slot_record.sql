-- Records instants at which jobs were due, those with a reason as skipped; answers with those that nobody had recorded.
-- Locks: the rows it inserts, in their order. Idempotent, also between replicas.
INSERT INTO syncd.slot (job, kind, slot_at, state, reason, ended_at)
SELECT job, kind, slot_at, CASE WHEN skipped THEN 'skipped' ELSE 'due' END, CASE WHEN skipped THEN reason END,
       CASE WHEN skipped THEN clock_timestamp() END
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::boolean[], $5::text[]) AS u (job, kind, slot_at, skipped, reason)
ON CONFLICT DO NOTHING
RETURNING job, kind
