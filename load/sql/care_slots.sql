-- Removes slots that were settled before $1, but for those of the jobs $2 and the last of each job and kind, at most $3. Locks: those rows.
DELETE FROM syncd.slot AS s
WHERE s.ctid = ANY (ARRAY(
    SELECT o.ctid FROM syncd.slot AS o
    WHERE o.ended_at < $1 AND o.state IN ('succeeded', 'failed', 'skipped') AND o.job <> ALL ($2::text[])
      AND EXISTS (SELECT FROM syncd.slot AS n WHERE n.job = o.job AND n.kind = o.kind AND n.slot_at > o.slot_at)
    LIMIT $3))
