-- Whether anybody was ever purged. Reads only.
SELECT EXISTS (SELECT FROM syncd.blocked)
