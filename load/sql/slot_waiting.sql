-- Due slots that no job of the queue stands for, oldest first, each with the last job that did: one that a worker took
-- more than $1 ago without beginning a run has died with its process. Reads only; asked by every replica, and the
-- queue keeps the jobs they make of it apart by (slot, last job).
SELECT s.job, s.kind, s.slot_at, coalesce(max(q.id), 0)
FROM syncd.slot AS s
LEFT JOIN syncd.river_job AS q
       ON q.kind = 'slot'
      AND q.args @> jsonb_build_object('job', s.job, 'kind', s.kind, 'slot', (extract(epoch FROM s.slot_at) * 1000000)::bigint)
WHERE s.state = 'due'
GROUP BY s.job, s.kind, s.slot_at
HAVING count(*) FILTER (WHERE q.state IN ('available', 'pending', 'scheduled', 'retryable')
                           OR q.state = 'running' AND q.attempted_at > clock_timestamp() - $1::interval) = 0
ORDER BY s.slot_at, s.job, s.kind
