-- The last slot of every job and kind that ended, where it failed without a run: the job could not even begin, or waited too
-- long. Reads only.
SELECT j.job, k.kind, s.slot_at, s.ended_at
FROM syncd.job AS j
CROSS JOIN (VALUES ('sync'), ('full')) AS k (kind)
CROSS JOIN LATERAL (SELECT * FROM syncd.slot AS x WHERE x.job = j.job AND x.kind = k.kind AND x.state IN ('succeeded', 'failed')
                    ORDER BY x.slot_at DESC LIMIT 1) AS s
WHERE s.state = 'failed' AND s.run_id IS NULL AND s.ended_at IS NOT NULL
ORDER BY j.job, k.kind
