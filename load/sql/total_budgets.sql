-- How long the next request to a host would have to wait for the budget that all share. Reads only.
SELECT host, greatest(0, extract(epoch FROM next_at - clock_timestamp()))::double precision FROM syncd.budget ORDER BY host
