-- Makes slots due again that are said to be running and whose run is not, as a restored ledger can have them. Run and slot
-- change in one transaction, so that no other slot is ever seen so. Locks: those rows. Idempotent.
UPDATE syncd.slot AS s
SET state = 'due', run_id = NULL, reason = 'its run is not there any more'
WHERE state = 'running' AND NOT EXISTS (SELECT FROM syncd.run AS r WHERE r.run_id = s.run_id AND r.state = 'running')
