-- Chunks of backfills that daemons are to work on and for which the queue holds no job, the first $1 of each backfill; of one whose
-- structure is to be read, or that is to be finished, number 0. A job that was taken longer than $2 ago stands for nothing any more: its
-- process is dead, or has gone on to other chunks. Reads only.
SELECT backfill_id, no, after
FROM (
    SELECT b.backfill_id, n.no, coalesce(max(q.id), 0) AS after,
           count(*) FILTER (WHERE q.state IN ('available', 'pending', 'scheduled', 'retryable')
                               OR q.state = 'running' AND q.attempted_at > clock_timestamp() - $2::interval) AS open
    FROM syncd.backfill AS b
    CROSS JOIN LATERAL (
        (SELECT c.no FROM syncd.backfill_chunk AS c
         WHERE c.backfill_id = b.backfill_id AND b.described AND c.state = 'due' ORDER BY c.no LIMIT $1)
        UNION ALL
        SELECT 0 WHERE NOT b.described
                    OR NOT EXISTS (SELECT FROM syncd.backfill_chunk AS c WHERE c.backfill_id = b.backfill_id AND c.state IN ('due', 'running'))
    ) AS n
    LEFT JOIN syncd.river_job AS q
           ON q.kind = 'chunk' AND q.args @> jsonb_build_object('backfill', b.backfill_id, 'no', n.no)
    WHERE b.detached AND b.state IN ('planned', 'running')
    GROUP BY b.backfill_id, n.no
) AS w
WHERE open = 0
ORDER BY backfill_id, no
