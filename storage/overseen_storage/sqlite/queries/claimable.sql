-- The jobs of one queue that go first, and how many of them are of a kind not in :kinds (a JSON
-- array; NULL: all are known).
SELECT
    json_group_array(id),
    count(*),
    count(*) FILTER (
        WHERE :kinds IS NOT NULL AND kind NOT IN (SELECT value FROM json_each(:kinds))
    )
FROM (
    SELECT id, kind FROM job INDEXED BY job_claimable
    WHERE queue = :queue AND status = 4 AND held IS NULL
    ORDER BY priority DESC, ready_at, id LIMIT :limit
)
