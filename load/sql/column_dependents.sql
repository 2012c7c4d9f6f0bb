-- What hangs on a column so that its type cannot be changed in place: views, materialised views, functions, rules,
-- triggers and policies. Reads the catalogue only.
SELECT DISTINCT CASE d.classid
           WHEN 'pg_rewrite'::regclass THEN (SELECT r.ev_class::regclass::text FROM pg_rewrite AS r WHERE r.oid = d.objid)
           ELSE pg_describe_object(d.classid, d.objid, d.objsubid)
       END
FROM pg_depend AS d
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2
  AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass)
ORDER BY 1
