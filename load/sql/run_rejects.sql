-- Rejects that a run was the first to see, by table and rule. Reads only; the rows themselves stay where they are.
SELECT table_name, column_name, rule, count(*)
FROM syncd.reject
WHERE first_run_id = $1
GROUP BY table_name, column_name, rule
ORDER BY table_name, column_name, rule
