-- Which of :keys (a JSON array) are held by a job that has not ended.
SELECT json_group_array(entry.value)
FROM json_each(:keys) AS entry
CROSS JOIN job INDEXED BY job_key ON job.key = entry.value
WHERE job.key IS NOT NULL AND job.completed_at IS NULL
