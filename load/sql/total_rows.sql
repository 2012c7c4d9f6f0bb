-- What became of rows, in runs that have ended. Reads only.
SELECT job, outcome, rows FROM syncd.row_total ORDER BY 1, 2
