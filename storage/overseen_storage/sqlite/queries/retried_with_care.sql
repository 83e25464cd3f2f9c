-- Those among :ids (an array) that have files, or are not there any more.
SELECT json_group_array(entry.value)
FROM json_each(:ids) AS entry
LEFT JOIN job ON job.id = entry.value
WHERE job.id IS NULL OR job.attachments > 0
