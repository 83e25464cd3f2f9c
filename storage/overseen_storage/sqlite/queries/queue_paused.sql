-- Since when a queue is paused.
SELECT paused_at FROM queue WHERE name = :name
