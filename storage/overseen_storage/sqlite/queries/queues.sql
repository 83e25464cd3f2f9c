-- Every queue that was ever paused.
SELECT name, paused_at, paused_by FROM queue ORDER BY name
