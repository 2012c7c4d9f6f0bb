-- Failures in a row of every source that ever failed, and since when it is down. Reads only.
SELECT source, failures::bigint, down_since FROM syncd.circuit ORDER BY source
