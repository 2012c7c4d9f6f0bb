-- What a job is bound to. Reads only.
SELECT coalesce(server, ''), coalesce(source_id, '') FROM syncd.job WHERE job = $1
