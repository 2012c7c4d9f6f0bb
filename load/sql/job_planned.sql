-- Per job and kind: since when its schedule stands, and the last slot recorded under any. Reads only.
SELECT j.job, coalesce(s.kind, ''), j.spec_since, s.last
FROM syncd.job AS j
LEFT JOIN (SELECT job, kind, max(slot_at) AS last FROM syncd.slot GROUP BY job, kind) AS s USING (job)
WHERE j.spec_since IS NOT NULL
