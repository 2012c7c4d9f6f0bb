-- Removes runs that ended before $1, but for those of the jobs $2, at most $3, with their counts and batches. A run stays that a reject
-- which is not stored, a held deletion, a mark, a memo, a claim or a slot that is open refers to; and of every job the last ten that succeeded.
-- What rows, deliveries and settled slots say of a run is a number that stands for itself. Locks: those rows.
WITH old AS (
    SELECT r.run_id FROM syncd.run AS r
    WHERE r.ended_at < $1 AND r.state <> 'running' AND r.job <> ALL ($2::text[])
      AND NOT EXISTS (SELECT FROM syncd.reject AS x WHERE x.job = r.job AND x.resolved_at IS NULL AND r.run_id IN (x.first_run_id, x.last_run_id))
      AND NOT EXISTS (SELECT FROM syncd.held AS h WHERE h.run_id = r.run_id)
      AND NOT EXISTS (SELECT FROM syncd.mark AS m WHERE m.run_id = r.run_id)
      AND NOT EXISTS (SELECT FROM syncd.memo AS m WHERE m.run_id = r.run_id)
      AND NOT EXISTS (SELECT FROM syncd.claim AS c WHERE c.run_id = r.run_id)
      AND NOT EXISTS (SELECT FROM syncd.slot AS s WHERE s.run_id = r.run_id AND s.state IN ('due', 'running'))
      AND r.run_id NOT IN (
          SELECT l.run_id FROM (SELECT DISTINCT job FROM syncd.run) AS j
          CROSS JOIN LATERAL (SELECT run_id FROM syncd.run WHERE job = j.job AND state = 'succeeded' ORDER BY run_id DESC LIMIT 10) AS l)
    ORDER BY r.run_id
    LIMIT $3
), tables AS (
    DELETE FROM syncd.run_table WHERE run_id IN (SELECT run_id FROM old)
), batches AS (
    DELETE FROM syncd.batch WHERE run_id IN (SELECT run_id FROM old)
)
DELETE FROM syncd.run WHERE run_id IN (SELECT run_id FROM old)
