-- Per job and kind: since when its schedule stands, the last slot recorded under any, and whether one waits or is run. Reads only.
SELECT j.job, k.kind, j.spec_since,
       (SELECT max(slot_at) FROM syncd.slot AS s WHERE s.job = j.job AND s.kind = k.kind), o.job IS NOT NULL
FROM syncd.job AS j
CROSS JOIN unnest($1::text[]) AS k (kind)
LEFT JOIN (SELECT DISTINCT job, kind FROM syncd.slot WHERE state IN ('due', 'running')) AS o ON o.job = j.job AND o.kind = k.kind
WHERE j.spec_since IS NOT NULL
