-- Keeps the hash of an access token, and forgets those that expired. Locks: those rows. Idempotent.
WITH old AS (DELETE FROM syncd.auth_token WHERE expires_at < clock_timestamp() - interval '1 day')
INSERT INTO syncd.auth_token (destination, sha256, client_id, scope, issued_at, expires_at) VALUES ($1, $2, $3, $4, clock_timestamp(), $5)
ON CONFLICT (destination, sha256) DO NOTHING
