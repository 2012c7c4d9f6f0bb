-- What the last runs of a job that read more than a few rows cost, newest first: rows read, requests, seconds. Reads only.
SELECT t.read::bigint, r.requests, extract(epoch FROM r.ended_at - r.started_at)::double precision
FROM syncd.run AS r
CROSS JOIN LATERAL (SELECT sum(read) AS read FROM syncd.run_table AS t WHERE t.run_id = r.run_id) AS t
WHERE r.job = $1 AND r.state = 'succeeded' AND t.read >= 100 AND r.requests > 0
ORDER BY t.read DESC, r.run_id DESC
LIMIT 1
