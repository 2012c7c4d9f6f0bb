-- Uses an assertion up, and forgets those that expired. Answers a row the first time only. Locks: the row it inserts.
WITH old AS (DELETE FROM syncd.auth_jti WHERE expires_at < clock_timestamp() - interval '1 day')
INSERT INTO syncd.auth_jti (destination, issuer, jti_sha256, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (destination, issuer, jti_sha256) DO NOTHING
RETURNING true
