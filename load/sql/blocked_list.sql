-- The schema that the ledger has for a job ($1), else $2, and the persons who were purged from it, as keyed hashes; one row without a hash
-- where there is nobody. Reads only.
SELECT at.schema_name, b.hash
FROM (SELECT coalesce((SELECT j.schema_name FROM syncd.job AS j WHERE j.job = $1), $2) AS schema_name) AS at
LEFT JOIN syncd.blocked AS b ON b.schema_name = at.schema_name
