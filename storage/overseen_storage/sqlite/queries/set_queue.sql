-- Pause or resume a queue.
INSERT INTO queue (name, paused_at, paused_by) VALUES (:name, :at, :by)
ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at, paused_by = excluded.paused_by
