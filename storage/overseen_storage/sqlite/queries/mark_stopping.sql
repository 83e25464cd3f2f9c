-- Running attempts are told to stop for a timeout or silence. :rows is an array of `MarkStopping`.
UPDATE job SET
    changed_at = :at + entry.position,
    stop_reason = (SELECT code FROM word WHERE family = 'reason' AND word = entry.reason)
FROM (
    SELECT
        each.key AS position,
        json_extract(each.value, '$[0]') AS job_id,
        json_extract(each.value, '$[1]') AS fence,
        json_extract(each.value, '$[2]') AS reason
    FROM json_each(:rows) AS each
) AS entry
WHERE
    job.id = entry.job_id
    AND job.fence = entry.fence
    AND job.status = 5 /* running */
    AND job.stop_reason IS NULL
