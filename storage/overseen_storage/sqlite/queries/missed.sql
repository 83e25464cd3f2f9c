-- Those among :ids (an array) that were not changed at their stamp, and what they are instead.
SELECT json_group_array(json_array(entry.key, entry.value, job.status, job.fence, job.held))
FROM json_each(:ids) AS entry
LEFT JOIN job ON job.id = entry.value
WHERE job.id IS NULL OR job.changed_at <> :at + entry.key
