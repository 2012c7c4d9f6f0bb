-- Plans of this transaction use the index of the key, whatever the statistics of a table that is just being filled
-- say, and are made once per connection.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)
