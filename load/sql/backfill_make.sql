-- Writes down that a backfill is wanted; nothing where the job has an open one. It is a first load where the job has come nowhere
-- yet and everything is to be read. Locks: the row it inserts. Idempotent.
INSERT INTO syncd.backfill (job, state, from_at, to_at, first, automatic, detached, chunk_size, parallel, created_by)
VALUES ($1, 'planned', $2, $3,
        $2::timestamptz IS NULL AND $3::timestamptz IS NULL
            AND NOT EXISTS (SELECT FROM syncd.mark AS m WHERE m.job = $1 AND m.name <> 'position' AND m.name NOT LIKE 'position:%'),
        $4, $5, $6, $7, $8)
ON CONFLICT (job) WHERE state NOT IN ('succeeded', 'cancelled') DO NOTHING
RETURNING backfill_id
