-- A token that is valid now. Reads only.
SELECT scope, expires_at FROM syncd.auth_token WHERE destination = $1 AND sha256 = $2 AND expires_at > clock_timestamp()
