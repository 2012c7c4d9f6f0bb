-- Runs, newest first: of a job ('' for all), in a state ('' for any), before a run ID (0 for all). Reads only.
SELECT r.run_id, r.job, r.kind, r.slot_at, r.chunk, r.state, coalesce(r.verdict, ''), coalesce(r.verdict_reason, ''),
       r.started_at, r.ended_at, coalesce(r.holder, ''), coalesce(r.schema_name, ''), r.requests, r.bytes, r.log_rows, r.drift_found,
       coalesce(r.error_kind, ''), coalesce(r.error, ''), coalesce(r.error_next, ''),
       coalesce(c.read, 0), coalesce(c.inserted, 0), coalesce(c.updated, 0), coalesce(c.unchanged, 0), coalesce(c.deleted, 0),
       coalesce(c.rejected, 0)
FROM syncd.run AS r
LEFT JOIN LATERAL (
    SELECT sum(read)::bigint AS read, sum(inserted)::bigint AS inserted, sum(updated)::bigint AS updated,
           sum(unchanged)::bigint AS unchanged, sum(deleted)::bigint AS deleted, sum(rejected)::bigint AS rejected
    FROM syncd.run_table AS t WHERE t.run_id = r.run_id
) AS c ON true
WHERE ($1 = '' OR r.job = $1) AND ($2 = '' OR r.state = $2) AND ($3::bigint = 0 OR r.run_id < $3) AND ($4::bigint = 0 OR r.run_id = $4)
ORDER BY r.run_id DESC
LIMIT $5
