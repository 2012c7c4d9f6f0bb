-- Writes the row of a new run. Locks: nothing that exists.
INSERT INTO syncd.run (job, kind, slot_at, chunk, epoch, holder, schema_name, state, warnings)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'running', $8)
RETURNING run_id
