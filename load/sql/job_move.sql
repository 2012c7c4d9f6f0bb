-- Follows a job whose schema or source was changed in the file; answers with the schema it wrote until now.
-- Locks: the job's row, only where something changed. Idempotent: a second call changes nothing and answers nothing.
UPDATE syncd.job AS j
SET schema_name = $2, source = $3, retired_at = NULL, renamed_from = CASE WHEN j.schema_name = $2 THEN j.renamed_from END
FROM (SELECT job, schema_name FROM syncd.job WHERE job = $1) AS old
WHERE j.job = old.job AND (j.schema_name, j.source) IS DISTINCT FROM ($2, $3)
RETURNING old.schema_name
