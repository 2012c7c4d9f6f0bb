-- The rest of what is kept of one run. Reads only.
SELECT coalesce(r.proofs, '[]'), coalesce(r.warnings, '{}'),
       (SELECT coalesce(max(b.seq) + 1, 0) FROM syncd.batch AS b WHERE b.run_id = r.run_id),
       (SELECT count(*) FROM syncd.reject AS x WHERE x.first_run_id = r.run_id),
       (SELECT count(*) FROM syncd.held AS h WHERE h.run_id = r.run_id AND h.approved_at IS NULL),
       (SELECT count(*) FROM syncd.record_rename AS n WHERE n.run_id = r.run_id),
       (SELECT beat_at FROM syncd.claim AS c WHERE c.run_id = r.run_id)
FROM syncd.run AS r
WHERE r.run_id = $1
