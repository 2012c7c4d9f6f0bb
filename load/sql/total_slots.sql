-- Slots by how they ended, and those that have not: due, waiting for a source that is down, running. Reads only.
SELECT job, kind, state, slots, true FROM syncd.slot_total
UNION ALL
SELECT s.job, s.kind, CASE WHEN s.state = 'due' AND c.down_since IS NOT NULL THEN 'waiting' ELSE s.state END, count(*), false
FROM syncd.slot AS s LEFT JOIN syncd.job AS j USING (job) LEFT JOIN syncd.circuit AS c USING (source)
WHERE s.state IN ('due', 'running')
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
