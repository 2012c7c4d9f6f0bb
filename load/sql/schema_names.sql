-- Which of some schemas exist, and who asks. Reads the catalogue only.
SELECT current_user::text, ARRAY(SELECT nspname::text FROM pg_namespace WHERE nspname = ANY ($1))
