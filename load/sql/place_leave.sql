-- Leaves a place of a host and answers whether the session held it.
SELECT pg_advisory_unlock($1)
