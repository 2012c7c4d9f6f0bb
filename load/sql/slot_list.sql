-- Per job and kind $1: since when its schedule stands, the last slot recorded, the last that ended and how, what has ended otherwise than
-- well since the last that succeeded, and what waits or is run. Reads only.
SELECT j.job, k.kind, j.spec_since,
       (SELECT max(s.slot_at) FROM syncd.slot AS s WHERE s.job = j.job AND s.kind = k.kind),
       l.slot_at, coalesce(l.state, ''), coalesce(l.reason, ''), coalesce(l.run_id, 0),
       coalesce(b.n, 0), b.first, coalesce(d.n, 0), d.first, coalesce(d.reason, ''), coalesce(r.run_id, 0), r.slot_at
FROM syncd.job AS j
CROSS JOIN unnest($1::text[]) AS k (kind)
LEFT JOIN LATERAL (SELECT slot_at, state, reason, run_id FROM syncd.slot AS s
                   WHERE s.job = j.job AND s.kind = k.kind AND s.state IN ('succeeded', 'failed', 'skipped')
                   ORDER BY slot_at DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (SELECT slot_at FROM syncd.slot AS s
                   WHERE s.job = j.job AND s.kind = k.kind AND s.state = 'succeeded'
                   ORDER BY slot_at DESC LIMIT 1) AS g ON true
LEFT JOIN LATERAL (SELECT count(*) AS n, min(slot_at) AS first FROM syncd.slot AS s
                   WHERE s.job = j.job AND s.kind = k.kind AND s.state IN ('failed', 'skipped')
                     AND s.slot_at > coalesce(g.slot_at, '-infinity')) AS b ON true
LEFT JOIN LATERAL (SELECT count(*) AS n, min(slot_at) AS first, (array_agg(s.reason ORDER BY slot_at))[1] AS reason FROM syncd.slot AS s
                   WHERE s.job = j.job AND s.kind = k.kind AND s.state = 'due') AS d ON true
LEFT JOIN LATERAL (SELECT s.run_id, s.slot_at FROM syncd.slot AS s
                   WHERE s.job = j.job AND s.kind = k.kind AND s.state = 'running'
                   ORDER BY slot_at DESC LIMIT 1) AS r ON true
WHERE j.spec_since IS NOT NULL
ORDER BY j.job, k.kind
