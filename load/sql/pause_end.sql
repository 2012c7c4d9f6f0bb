-- Resumes a job or a source; answers with how it was paused. Locks: the row. Idempotent: what is not paused answers nothing.
DELETE FROM syncd.pause WHERE subject = $1 RETURNING subject, since, by, reason
