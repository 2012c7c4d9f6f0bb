-- The last run of every job and kind that ended for a reason of its own: neither cancelled nor lost. again: its slot is to be run
-- once more; held: keys that wait for approval. Reads only.
SELECT r.job, r.kind, r.run_id, r.state, coalesce(r.verdict, ''), coalesce(r.error_kind, ''), r.started_at, coalesce(r.ended_at, r.started_at),
       EXISTS (SELECT FROM syncd.slot AS s WHERE s.job = r.job AND s.kind = r.kind AND s.slot_at = r.slot_at AND s.state IN ('due', 'running')),
       CASE WHEN r.state = 'held' THEN (SELECT count(*) FROM syncd.held AS h WHERE h.run_id = r.run_id AND h.approved_at IS NULL) ELSE 0 END
FROM (SELECT max(last_run_id) AS run_id FROM syncd.run_total
      WHERE kind IN ('sync', 'full', 'drain') AND state IN ('succeeded', 'failed', 'held') GROUP BY job, kind) AS last
JOIN syncd.run AS r USING (run_id)
ORDER BY r.job, r.run_id
