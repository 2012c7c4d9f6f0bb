-- The installation as its database has it, and where the data ends: when somebody was last at work in it; a run
-- that is ended as lost ends when that is found, which may be now. Locks: the one row, until the
-- transaction ends.
SELECT i.id::text, coalesce(i.name, ''), greatest(i.beat_at, (SELECT max(committed_at) FROM syncd.batch), (SELECT max(ended_at) FROM syncd.run WHERE state <> 'lost'),
                                                  (SELECT max(received_at) FROM syncd.delivery))
FROM syncd.installation AS i FOR UPDATE
