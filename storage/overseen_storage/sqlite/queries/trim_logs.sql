-- Keep only the newest :keep lines of each of the jobs :ids (an array).
DELETE FROM log_line WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY job_id ORDER BY id DESC) AS age
        FROM log_line WHERE job_id IN (SELECT value FROM json_each(:ids))
    )
    WHERE age > :keep
)
