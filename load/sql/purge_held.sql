-- Deletes what the brake holds of a person, by the hashes of the keys. Locks: those rows. Idempotent.
DELETE FROM syncd.held WHERE job = $1 AND key_hash = ANY ($2::uuid[])
