-- Backfills that failed and are neither resumed nor cancelled, by job. Reads only.
SELECT job, backfill_id, coalesce(ended_at, created_at) FROM syncd.backfill WHERE state = 'failed' ORDER BY job
