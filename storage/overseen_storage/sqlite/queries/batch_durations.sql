-- How long the members of a batch took, from first start to end: three ranks of the sorted list.
-- With a LIMIT, no version of SQLite takes the order of the inner list for superfluous.
WITH sorted (duration) AS MATERIALIZED (
    SELECT completed_at - started_at AS duration FROM job INDEXED BY job_batch
    WHERE batch_id = :id AND batch_id IS NOT NULL AND started_at IS NOT NULL
    ORDER BY duration LIMIT -1
)
SELECT json_array(
    (SELECT duration FROM sorted LIMIT 1 OFFSET :before_p50),
    (SELECT duration FROM sorted LIMIT 1 OFFSET :before_p95),
    (SELECT duration FROM sorted LIMIT 1 OFFSET :before_max)
)
