-- Keeps everybody from working in the database until somebody has said what it is, and why. Locks: the one row, for one statement. Idempotent.
UPDATE syncd.installation SET stopped = $1 WHERE stopped IS NULL
