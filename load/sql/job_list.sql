-- Every job with its last run, how fresh it is, how many rows it holds and what waits for a person. Reads only.
SELECT j.job, j.source, j.schema_name, coalesce(j.server, ''), coalesce(j.source_id, ''), coalesce(j.title, ''), j.first_seen,
       l.run_id, l.kind, l.state, coalesce(l.verdict, ''), coalesce(l.verdict_reason, ''), l.started_at, l.ended_at,
       coalesce(l.error_kind, ''), coalesce(l.error, ''), coalesce(l.error_next, ''),
       fresh.started_at, proven.started_at,
       (SELECT sum(live)::bigint FROM syncd.run_table WHERE run_id = counted.run_id),
       (SELECT count(*) FROM syncd.reject AS x WHERE x.job = j.job AND x.resolved_at IS NULL),
       (SELECT count(*) FROM syncd.held AS h WHERE h.job = j.job AND h.run_id = l.run_id AND h.approved_at IS NULL),
       (SELECT count(*) FROM syncd.slot AS s WHERE s.job = j.job AND s.state = 'due')
FROM syncd.job AS j
LEFT JOIN LATERAL (SELECT * FROM syncd.run AS r WHERE r.job = j.job ORDER BY run_id DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (SELECT started_at FROM syncd.run AS r WHERE r.job = j.job AND r.state = 'succeeded'
                   ORDER BY run_id DESC LIMIT 1) AS fresh ON true
LEFT JOIN LATERAL (SELECT started_at FROM syncd.run AS r WHERE r.job = j.job AND r.verdict = 'proven'
                   ORDER BY run_id DESC LIMIT 1) AS proven ON true
LEFT JOIN LATERAL (SELECT run_id FROM syncd.run AS r WHERE r.job = j.job
                   AND EXISTS (SELECT FROM syncd.run_table AS t WHERE t.run_id = r.run_id AND t.live IS NOT NULL)
                   ORDER BY run_id DESC LIMIT 1) AS counted ON true
ORDER BY j.job
