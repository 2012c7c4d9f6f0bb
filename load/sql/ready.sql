-- Commits a row, to know that one can be committed. Locks: the one row of syncd.installation, for one statement.
UPDATE syncd.installation SET created_at = created_at
