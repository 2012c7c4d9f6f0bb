-- The run that stored a source's memo, with which its next list of renames begins. Reads only.
SELECT run_id FROM syncd.memo WHERE job = $1
