-- Receivers by name, and when the last of their pushes came in that the data holds. Reads only.
SELECT destination, max(received_at) FROM syncd.delivery WHERE destination = ANY ($1::text[]) GROUP BY destination ORDER BY destination
