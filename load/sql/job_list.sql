-- Every job with its last run, how fresh it is (a backfill makes it so when it has brought everything), how many rows it holds and what waits for a person. Reads only.
SELECT j.job, j.source, j.schema_name, coalesce(j.server, ''), coalesce(j.source_id, ''), coalesce(j.title, ''), j.first_seen,
       l.run_id, l.kind, l.state, coalesce(l.verdict, ''), coalesce(l.verdict_reason, ''), l.started_at, l.ended_at,
       coalesce(l.error_kind, ''), coalesce(l.error, ''), coalesce(l.error_next, ''),
       fresh.started_at, proven.started_at,
       counted.rows,
       (SELECT count(*) FROM syncd.reject AS x WHERE x.job = j.job AND x.resolved_at IS NULL),
       (SELECT count(*) FROM syncd.held AS h WHERE h.job = j.job AND h.run_id = l.run_id AND h.approved_at IS NULL),
       (SELECT count(*) FROM syncd.slot AS s WHERE s.job = j.job AND s.state = 'due'),
       greatest(j.seen_at, j.planned_at), j.retired_at, coalesce(j.renamed_from, '')
FROM syncd.job AS j
LEFT JOIN LATERAL (SELECT * FROM syncd.run AS r WHERE r.job = j.job ORDER BY run_id DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (SELECT greatest((SELECT started_at FROM syncd.run AS r WHERE r.job = j.job AND r.state = 'succeeded' AND r.kind <> 'backfill'
                                    ORDER BY run_id DESC LIMIT 1),
                                   (SELECT max(created_at) FROM syncd.backfill AS b
                                    WHERE b.job = j.job AND b.state = 'succeeded' AND num_nonnulls(b.from_at, b.to_at) = 0)) AS started_at) AS fresh ON true
LEFT JOIN LATERAL (SELECT started_at FROM syncd.run AS r WHERE r.job = j.job AND r.verdict = 'proven'
                   ORDER BY run_id DESC LIMIT 1) AS proven ON true
LEFT JOIN LATERAL (SELECT sum(live)::bigint AS rows
                   FROM (SELECT DISTINCT ON (t.schema_name, t.table_name) t.live
                         FROM syncd.run_table AS t JOIN syncd.run AS r ON r.run_id = t.run_id
                         LEFT JOIN syncd.table_def AS d ON (d.schema_name, d.table_name) = (t.schema_name, t.table_name)
                         WHERE d.retired_at IS NULL AND r.job = j.job AND r.schema_name = j.schema_name AND t.live IS NOT NULL
                         ORDER BY t.schema_name, t.table_name, t.run_id DESC) AS newest) AS counted ON true
ORDER BY j.job
