-- Whether the slot ($2, $3, $4) of a run that has failed is to be run again because its source $1 is down, or seems to be: fewer
-- than $5 runs have had the slot. Reads only.
SELECT EXISTS (SELECT FROM syncd.circuit AS c
               WHERE c.source = $1
                 AND (c.down_since IS NOT NULL
                      OR c.failures > 0
                         AND (SELECT count(*) FROM syncd.run AS r WHERE r.job = $2 AND r.kind = $3 AND r.slot_at = $4) < $5))
