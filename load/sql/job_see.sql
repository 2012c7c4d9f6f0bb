-- Makes a job known, at its first run or when a planner first reads of it.
-- Locks: the row it inserts. Idempotent: a job that is known is left alone.
INSERT INTO syncd.job (job, schema_name, source)
VALUES ($1, $2, $3)
ON CONFLICT (job) DO NOTHING
