-- Those among :rows (an array of `Note`) that were not written, and what their jobs are instead.
SELECT json_group_array(json_array(entry.key, entry.job_id, job.status, job.fence, job.held))
FROM (
    SELECT each.key AS key, json_extract(each.value, '$[1]') AS job_id
    FROM json_each(:rows) AS each
) AS entry
LEFT JOIN job ON job.id = entry.job_id
WHERE NOT EXISTS (SELECT 1 FROM ledger WHERE seq >= :seq AND at = :at + entry.key)
