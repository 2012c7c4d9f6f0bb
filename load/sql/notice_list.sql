-- Notices that hold, and those that ended since $1. Reads only.
SELECT notice_id, cause, subject, began_at, noticed_at, last_at, told_at, ended_at, end_told_at, count, told_count, coalesce(run_id, 0)
FROM syncd.notice WHERE ended_at IS NULL OR ended_at >= $1
ORDER BY notice_id
