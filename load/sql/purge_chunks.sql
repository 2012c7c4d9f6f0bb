-- Takes a person ($2) out of the ids that parts of a job's ($1) backfills are to read. Locks: those rows. Idempotent.
UPDATE syncd.backfill_chunk AS c SET ids = ARRAY(SELECT i FROM unnest(c.ids) AS i WHERE i <> ALL ($2::text[])), least = NULL
FROM syncd.backfill AS b
WHERE b.backfill_id = c.backfill_id AND b.job = $1 AND c.ids && $2::text[]
