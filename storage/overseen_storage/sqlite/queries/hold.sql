-- Park :ids (an array): this program does not know their kinds.
UPDATE job SET
    held = 1 /* unregistered */,
    changed_at = :at + entry.key
FROM json_each(:ids) AS entry
WHERE job.id = entry.value AND job.status = 4 /* pending */ AND job.held IS NULL
