-- The marks and positions of a job. Reads only.
SELECT name, value FROM syncd.mark WHERE job = $1
