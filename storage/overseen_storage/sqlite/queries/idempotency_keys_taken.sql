-- Which of :keys (a JSON array) are known.
SELECT json_group_array(entry.value)
FROM json_each(:keys) AS entry
CROSS JOIN job INDEXED BY job_idempotency ON job.idempotency_key = entry.value
WHERE job.idempotency_key IS NOT NULL
