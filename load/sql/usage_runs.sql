-- What the runs of the jobs of a source $1 cost it that began at $2 or later, by job and time. Reads only.
SELECT r.job, r.started_at, coalesce(r.ended_at, clock_timestamp()), r.requests, r.bytes, r.log_rows
FROM syncd.run AS r
JOIN syncd.job AS j ON j.job = r.job
WHERE j.source = $1 AND r.started_at >= $2
ORDER BY r.job, r.run_id
