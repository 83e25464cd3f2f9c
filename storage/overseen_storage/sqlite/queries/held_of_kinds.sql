-- Jobs parked as unregistered whose kind is in :kinds (a JSON array), kind by kind. Not sorted: it
-- is asked again until nothing is left, and each time all would be sorted.
SELECT json_group_array(id) FROM (
    SELECT job.id AS id
    FROM json_each(:kinds) AS kinds
    CROSS JOIN job INDEXED BY job_held ON job.kind = kinds.value
    WHERE job.held = 1 AND job.held IS NOT NULL
    LIMIT :limit
)
