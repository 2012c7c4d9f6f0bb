-- The time by the clock of Postgres, and which installation this database is. Reads only.
SELECT clock_timestamp(), id::text FROM syncd.installation
