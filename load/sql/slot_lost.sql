-- Says what becomes of the slot of a run $1 that was lost for a reason $2: it is due again; where somebody had asked the run to end
-- it is skipped; and it has failed where it has lost $3 runs, for then it is the slot that kills its daemons.
-- Locks: the row. Idempotent.
UPDATE syncd.slot AS s
SET state = next.state, reason = next.reason,
    run_id = CASE WHEN next.state = 'due' THEN NULL ELSE s.run_id END,
    ended_at = CASE WHEN next.state <> 'due' THEN clock_timestamp() END
FROM (SELECT CASE WHEN r.cancel_at IS NOT NULL THEN 'skipped' WHEN l.lost >= $3::integer THEN 'failed' ELSE 'due' END AS state,
             CASE WHEN r.cancel_at IS NOT NULL THEN 'cancelled by ' || r.cancel_by
                  WHEN l.lost >= $3::integer THEN l.lost || ' runs of the slot were lost, the last one because ' || $2
                  ELSE $2 END AS reason
      FROM syncd.run AS r,
           LATERAL (SELECT count(*) AS lost FROM syncd.run AS o
                    WHERE o.job = r.job AND o.kind = r.kind AND o.slot_at = r.slot_at AND o.state = 'lost') AS l
      WHERE r.run_id = $1) AS next
WHERE s.run_id = $1 AND s.state = 'running'
