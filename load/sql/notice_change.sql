-- Writes how a notice $1 stands now. Locks: the row. Idempotent.
UPDATE syncd.notice
SET began_at = $2, last_at = $3, told_at = $4, ended_at = $5, end_told_at = $6, count = $7, told_count = $8, run_id = nullif($9, 0)
WHERE notice_id = $1
