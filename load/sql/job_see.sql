-- Makes a job known, at its first run or when a planner first reads of it; one that had vanished is back, unless its schema
-- is another's by now and it is about to leave it ($2 is the schema that it shall write).
-- Locks: the row. Idempotent.
INSERT INTO syncd.job AS j (job, schema_name, source)
VALUES ($1, $2, $3)
ON CONFLICT (job) DO UPDATE
SET seen_at = clock_timestamp(),
    retired_at = CASE WHEN j.schema_name <> $2
                       AND EXISTS (SELECT FROM syncd.job AS o WHERE o.schema_name = j.schema_name AND o.job <> j.job AND o.retired_at IS NULL)
                      THEN j.retired_at END
