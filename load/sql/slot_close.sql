-- Settles one due slot before any run began, with the reason; one whose run was lost may only fail, and be skipped only where a
-- person wants that ($6). Locks: the row. Idempotent; a slot that is running or settled is left alone.
UPDATE syncd.slot AS s
SET state = $4, reason = $5, ended_at = clock_timestamp()
WHERE job = $1 AND kind = $2 AND slot_at = $3 AND state = 'due'
  AND ($4 <> 'skipped' OR $6 OR NOT EXISTS (SELECT FROM syncd.run AS r
                                            WHERE r.job = s.job AND r.kind = s.kind AND r.slot_at = s.slot_at AND r.state = 'lost'))
