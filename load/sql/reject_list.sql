-- Rows that could not be stored and have not been since, counted by job, table, column and rule. Reads only; keys and bytes stay.
SELECT job, table_name, column_name, rule, count(*), min(first_at), max(last_at)
FROM syncd.reject
WHERE resolved_at IS NULL AND ($1 = '' OR job = $1)
GROUP BY job, table_name, column_name, rule
ORDER BY job, table_name, column_name, rule
