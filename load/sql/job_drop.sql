-- Takes the row of a job that is to have that of another; it has read nothing yet. Locks: the row.
DELETE FROM syncd.job WHERE job = $1 RETURNING source, spec, spec_since
