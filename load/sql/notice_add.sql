-- Adds a notice. Locks: nothing that exists; one evaluation is made at a time.
INSERT INTO syncd.notice (cause, subject, began_at, noticed_at, last_at, told_at, ended_at, end_told_at, count, told_count, run_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11, 0))
