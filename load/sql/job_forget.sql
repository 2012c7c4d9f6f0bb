-- Takes a job that is in no configuration out of the ledger, with whatever a new job of its name or schema must not go on from:
-- marks, memo, rejects, what is known of its tables. Its runs and slots stay as history, its claims refuse what is left of it.
-- Answers with its schema. Locks: those rows. Idempotent.
WITH gone AS (DELETE FROM syncd.job WHERE job = $1 RETURNING schema_name),
     marks AS (DELETE FROM syncd.mark WHERE job = $1),
     memos AS (DELETE FROM syncd.memo WHERE job = $1),
     rejects AS (DELETE FROM syncd.reject WHERE job = $1),
     held AS (DELETE FROM syncd.held WHERE job = $1),
     slots AS (UPDATE syncd.slot SET state = 'skipped', run_id = NULL, reason = 'the job was forgotten', ended_at = clock_timestamp()
               WHERE job = $1 AND state IN ('due', 'running')),
     backfills AS (UPDATE syncd.backfill SET state = 'cancelled', ended_at = clock_timestamp(), reason = 'the job was forgotten'
                   WHERE job = $1 AND state NOT IN ('succeeded', 'cancelled')),
     changes AS (DELETE FROM syncd.schema_change AS c USING syncd.table_def AS t
                 WHERE (c.schema_name, c.table_name) = (t.schema_name, t.table_name) AND t.job = $1 AND c.state = 'pending'),
     views AS (DELETE FROM syncd.view_def AS v USING gone AS g WHERE v.schema_name = g.schema_name),
     columns AS (DELETE FROM syncd.column_def AS c USING syncd.table_def AS t
                 WHERE (c.schema_name, c.table_name) = (t.schema_name, t.table_name) AND t.job = $1),
     tables AS (DELETE FROM syncd.table_def WHERE job = $1)
SELECT schema_name FROM gone
