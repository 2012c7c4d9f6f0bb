-- Every job: how fresh it is, what of it waits or is under way, whether it or its source is paused, rows that could not be stored, changes of structure that wait.
-- Reads only; what grows with the years is read from totals.
SELECT j.job, j.source, j.first_seen, fresh.at, coalesce(open.due, 0), coalesce(open.running, 0), under_way.since,
       coalesce(rejects.n, 0), coalesce(rejects.newest, j.first_seen), coalesce(drift.n, 0), coalesce(drift.since, j.first_seen),
       EXISTS (SELECT FROM syncd.pause AS p WHERE p.subject IN (j.job, j.source))
FROM syncd.job AS j
LEFT JOIN (SELECT job, max(at) AS at
           FROM (SELECT job, last_started_at AS at FROM syncd.run_total WHERE state = 'succeeded' AND kind <> 'backfill'
                 UNION ALL
                 SELECT job, created_at FROM syncd.backfill WHERE state = 'succeeded' AND num_nonnulls(from_at, to_at) = 0) AS good
           GROUP BY job) AS fresh USING (job)
LEFT JOIN (SELECT job, count(*) FILTER (WHERE state = 'due') AS due, count(*) FILTER (WHERE state = 'running') AS running
           FROM syncd.slot WHERE state IN ('due', 'running') GROUP BY job) AS open USING (job)
LEFT JOIN (SELECT job, min(started_at) AS since FROM syncd.run WHERE state = 'running' GROUP BY job) AS under_way USING (job)
LEFT JOIN (SELECT job, count(*) AS n, max(last_at) AS newest FROM syncd.reject WHERE resolved_at IS NULL GROUP BY job) AS rejects USING (job)
LEFT JOIN (SELECT regexp_replace(schema_name, '_(meta|deleted|history|test)$', '') AS schema_name, count(*) AS n, min(first_at) AS since
           FROM syncd.schema_change WHERE state = 'pending' GROUP BY 1) AS drift USING (schema_name)
ORDER BY j.job
