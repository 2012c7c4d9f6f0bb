-- Who is connected, and as what. Reads only.
SELECT current_setting('server_version'), current_user::text, rolsuper,
       coalesce((SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace AS n WHERE n.nspname = 'syncd'), has_database_privilege(current_database(), 'CREATE'))
FROM pg_roles WHERE rolname = current_user
