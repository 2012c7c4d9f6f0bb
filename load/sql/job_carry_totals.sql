-- Adds the totals of job $1 to those of job $2, which has its name from now on. Locks: those rows. Idempotent.
WITH old_runs AS (DELETE FROM syncd.run_total WHERE job = $1
                  RETURNING kind, state, verdict, runs, seconds, requests, bytes, last_run_id, last_started_at, last_ended_at),
     old_rows AS (DELETE FROM syncd.row_total WHERE job = $1 RETURNING outcome, rows),
     old_slots AS (DELETE FROM syncd.slot_total WHERE job = $1 RETURNING kind, state, slots),
     runs AS (INSERT INTO syncd.run_total AS t
              SELECT $2, o.* FROM old_runs AS o
              ON CONFLICT (job, kind, state, verdict) DO UPDATE
              SET runs = t.runs + excluded.runs, seconds = t.seconds + excluded.seconds, requests = t.requests + excluded.requests, bytes = t.bytes + excluded.bytes,
                  last_run_id = greatest(t.last_run_id, excluded.last_run_id), last_started_at = greatest(t.last_started_at, excluded.last_started_at),
                  last_ended_at = greatest(t.last_ended_at, excluded.last_ended_at)),
     rows AS (INSERT INTO syncd.row_total AS t SELECT $2, o.* FROM old_rows AS o
              ON CONFLICT (job, outcome) DO UPDATE SET rows = t.rows + excluded.rows)
INSERT INTO syncd.slot_total AS t SELECT $2, o.* FROM old_slots AS o
ON CONFLICT (job, kind, state) DO UPDATE SET slots = t.slots + excluded.slots
