-- Settles the chunk of a run that has ended, if it has one; the ids of a chunk that is done are let go of. Locks: its row.
-- Idempotent: a chunk that is settled is left alone.
UPDATE syncd.backfill_chunk
SET state = $2, reason = nullif($3, ''), requests = requests + $4,
    ids = CASE WHEN $2 = 'done' THEN NULL ELSE ids END, least = CASE WHEN $2 = 'done' THEN NULL ELSE least END,
    rows = CASE WHEN $2 = 'done' THEN (SELECT coalesce(sum(t.read), 0) FROM syncd.run_table AS t WHERE t.run_id = $1) ELSE rows END
WHERE run_id = $1 AND state = 'running'
