-- Keeps what was collected, once: a second time only the structure is renewed. Locks: the backfill's row (held already). Idempotent.
UPDATE syncd.backfill
SET state = CASE WHEN state = 'planned' THEN 'running' ELSE state END, described = true, memo = $2, memo_at = clock_timestamp(),
    first_memo = CASE WHEN $3 THEN $2 ELSE first_memo END, mark = CASE WHEN $3 THEN $4::jsonb ELSE mark END,
    records = CASE WHEN $3 THEN $5 ELSE records END, chunks = CASE WHEN $3 THEN $6 ELSE chunks END,
    chunk_size = CASE WHEN $3 THEN $7 ELSE chunk_size END, serial = CASE WHEN $3 THEN $8 ELSE serial END,
    requests_estimate = CASE WHEN $3 THEN nullif($9::bigint, 0) ELSE requests_estimate END
WHERE backfill_id = $1
