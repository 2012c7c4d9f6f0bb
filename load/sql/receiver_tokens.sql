-- How often the verification tokens of receivers were used. Reads only.
SELECT destination, fingerprint, uses, first_used_at, last_used_at FROM syncd.receiver_token ORDER BY destination, last_used_at DESC, fingerprint
