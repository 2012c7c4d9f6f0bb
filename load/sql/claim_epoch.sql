-- The epoch and holder of a claim, without waiting for anybody. Reads only.
SELECT epoch, holder IS NOT NULL FROM syncd.claim WHERE job = $1 AND chunk = $2
