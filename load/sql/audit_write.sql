-- Writes down who did what to which job. Locks: nothing that exists.
INSERT INTO syncd.audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4)
