-- Runs that have ended, by how; and what they cost. Reads only.
SELECT t.job, t.kind, t.state, t.verdict, t.runs, t.seconds, t.requests, t.bytes, coalesce(j.source, '')
FROM syncd.run_total AS t LEFT JOIN syncd.job AS j USING (job)
ORDER BY 1, 2, 3, 4
