-- How many members of a batch failed; no more than :limit are counted.
SELECT count(*) FROM (
    SELECT 1 FROM job INDEXED BY job_batch_spoiled
    WHERE batch_id = :id AND batch_id IS NOT NULL AND status IN (9, 10) AND status = 9 /* failed */
    LIMIT :limit
)
