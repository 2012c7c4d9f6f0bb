-- Lets go of what an ended backfill kept to be read: ids, structures, and the claims of its chunks. Locks: those rows. Idempotent.
WITH kept AS (UPDATE syncd.backfill SET memo = NULL, first_memo = NULL WHERE backfill_id = $1),
     claims AS (DELETE FROM syncd.claim WHERE job = $2 AND chunk LIKE $1::bigint || '/%' AND holder IS NULL)
UPDATE syncd.backfill_chunk
SET ids = NULL, least = NULL, state = CASE WHEN $3 THEN 'done' ELSE state END
WHERE backfill_id = $1
