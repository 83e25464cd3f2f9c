-- Progress, checkpoints and warnings of live attempts. :rows is an array of `Note`; a large
-- checkpoint comes as :checkpoint.
UPDATE job SET
    changed_at = :at + entry.position,
    progress = coalesce(entry.progress, job.progress),
    checkpoint = coalesce(:checkpoint, entry.checkpoint, job.checkpoint),
    warnings = job.warnings + (entry.type = 'warning')
FROM (
    SELECT
        each.key AS position,
        json_extract(each.value, '$[0]') AS type,
        json_extract(each.value, '$[1]') AS job_id,
        json_extract(each.value, '$[2]') AS fence,
        json_extract(each.value, '$[8]') AS progress,
        json_extract(each.value, '$[9]') AS checkpoint
    FROM json_each(:rows) AS each
) AS entry
WHERE
    job.id = entry.job_id
    AND job.fence = entry.fence
    AND job.status IN (5 /* running */, 6 /* cancelling */)
    AND (
        entry.type = 'warning'
        OR entry.progress IS NOT NULL
        OR coalesce(:checkpoint, entry.checkpoint) IS NOT NULL
    )
