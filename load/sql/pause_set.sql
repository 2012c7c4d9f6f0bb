-- Pauses a job or a source. Locks: the row it inserts. Idempotent: what is paused keeps its time, name and reason, and answers
-- nothing.
INSERT INTO syncd.pause (subject, by, reason)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING subject
