-- Whether a job $1 or its source $2 is paused. Reads only.
SELECT subject, since, by, reason FROM syncd.pause WHERE subject IN ($1, $2) ORDER BY subject LIMIT 1
