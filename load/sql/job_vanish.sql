-- Retires a job that is in no configuration any more, because another is to have its schema. Locks: the row. Idempotent.
UPDATE syncd.job SET retired_at = clock_timestamp() WHERE job = $1 AND retired_at IS NULL
