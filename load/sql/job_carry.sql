-- Gives whatever the ledger keeps under job $1 to job $2: how far it has read, its history, its rejects, its tables, what was
-- told of it. A slot that the new name has too stays under the old one. Claims stay: they refuse what is left of that.
-- Locks: those rows. Idempotent.
WITH marks AS (UPDATE syncd.mark SET job = $2 WHERE job = $1),
     memos AS (UPDATE syncd.memo SET job = $2 WHERE job = $1),
     rejects AS (UPDATE syncd.reject SET job = $2 WHERE job = $1),
     held AS (UPDATE syncd.held SET job = $2 WHERE job = $1),
     tables AS (UPDATE syncd.table_def SET job = $2 WHERE job = $1),
     backfills AS (UPDATE syncd.backfill AS b SET job = $2
                   WHERE b.job = $1 AND (b.state IN ('succeeded', 'cancelled')
                      OR NOT EXISTS (SELECT FROM syncd.backfill AS o WHERE o.job = $2 AND o.state NOT IN ('succeeded', 'cancelled')))),
     beside AS (UPDATE syncd.backfill AS b SET state = 'cancelled', ended_at = clock_timestamp(), reason = 'the job is called ' || $2 || ' now, which has a backfill of its own'
                WHERE b.job = $1 AND b.state NOT IN ('succeeded', 'cancelled')
                  AND EXISTS (SELECT FROM syncd.backfill AS o WHERE o.job = $2 AND o.state NOT IN ('succeeded', 'cancelled'))),
     slots AS (UPDATE syncd.slot AS s SET job = $2
               WHERE s.job = $1 AND NOT EXISTS (SELECT FROM syncd.slot AS o WHERE (o.job, o.kind, o.slot_at) = ($2, s.kind, s.slot_at))),
     pauses AS (UPDATE syncd.pause AS p SET subject = $2
                WHERE p.subject = $1 AND NOT EXISTS (SELECT FROM syncd.pause AS o WHERE o.subject = $2)),
     paused_twice AS (DELETE FROM syncd.pause WHERE subject = $1 AND EXISTS (SELECT FROM syncd.pause AS o WHERE o.subject = $2)),
     notices AS (UPDATE syncd.notice AS n SET subject = $2
                 WHERE n.subject = $1 AND NOT EXISTS (SELECT FROM syncd.notice AS o WHERE (o.cause, o.subject) = (n.cause, $2) AND o.ended_at IS NULL))
UPDATE syncd.run
SET job = $2,
    schema_name = CASE WHEN run_id = $3 THEN $4 ELSE schema_name END,
    warnings = CASE WHEN run_id = $3 THEN coalesce(warnings, '{}') || $5::text ELSE warnings END
WHERE job = $1 OR run_id = $3
