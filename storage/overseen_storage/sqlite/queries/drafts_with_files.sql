-- Those among :ids (an array) that are drafts and have files.
SELECT json_group_array(job.id)
FROM json_each(:ids) AS entry
CROSS JOIN job ON job.id = entry.value
WHERE job.status = 1 /* draft */ AND job.attachments > 0
