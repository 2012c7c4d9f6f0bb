-- What is paused: jobs and sources. Reads only.
SELECT subject, since, by, reason FROM syncd.pause ORDER BY subject
