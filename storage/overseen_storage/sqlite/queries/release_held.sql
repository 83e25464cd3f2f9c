-- Let :ids (an array) be claimed again.
UPDATE job SET held = NULL, changed_at = :at + entry.key
FROM json_each(:ids) AS entry
WHERE job.id = entry.value AND job.held IS NOT NULL
