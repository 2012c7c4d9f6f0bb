-- There is no way down that keeps data: syncd goes forward only. To remove everything: DROP SCHEMA syncd CASCADE by hand.
DO $$ BEGIN RAISE EXCEPTION 'syncd migrates forward only; restore a backup to go back'; END $$;
