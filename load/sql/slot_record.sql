-- Records instants at which a job was due; answers with those that nobody had recorded.
-- Locks: the rows it inserts. Idempotent, also between replicas.
INSERT INTO syncd.slot (job, kind, slot_at, state)
SELECT $1, $2, t, 'due' FROM unnest($3::timestamptz[]) AS u (t)
ON CONFLICT DO NOTHING
RETURNING slot_at
