-- Forgets how far a job had come where that is the name of a person: it begins anew. Locks: those rows. Idempotent.
DELETE FROM syncd.mark WHERE job = $1 AND value = ANY ($2::text[])
