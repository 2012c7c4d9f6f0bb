-- The last day on which a task was done. Reads only.
SELECT day::text, ended_at, counts FROM syncd.care WHERE task = $1 AND ended_at IS NOT NULL ORDER BY day DESC LIMIT 1
