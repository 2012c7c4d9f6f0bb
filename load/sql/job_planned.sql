-- Per job and kind: since when its schedule stands, and the last slot recorded under any. Reads only.
SELECT j.job, k.kind, j.spec_since,
       (SELECT max(slot_at) FROM syncd.slot AS s WHERE s.job = j.job AND s.kind = k.kind)
FROM syncd.job AS j CROSS JOIN unnest($1::text[]) AS k (kind)
WHERE j.spec_since IS NOT NULL
