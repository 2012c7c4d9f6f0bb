-- Takes a person out of the ids that parts of a backfill are to read. Locks: those rows. Idempotent.
UPDATE syncd.backfill_chunk SET ids = ARRAY(SELECT i FROM unnest(ids) AS i WHERE i <> ALL ($2::text[]))
WHERE job = $1 AND ids && $2::text[]
