-- How many jobs of its queue go before job :id, which is pending; no more than :limit are counted.
SELECT count(*) FROM (
    SELECT 1
    FROM job AS asked CROSS JOIN job AS other INDEXED BY job_claimable
    WHERE
        asked.id = :id AND other.queue = asked.queue
        AND other.status = 4 /* pending */ AND other.held IS NULL
        AND other.priority > asked.priority
        AND (other.batch_id IS NULL OR other.batch_id NOT IN (
            SELECT id FROM batch INDEXED BY batch_stopped
            WHERE stopped IS NOT NULL AND finalized_at IS NULL
        ))
    UNION ALL
    SELECT 1
    FROM job AS asked CROSS JOIN job AS other INDEXED BY job_claimable
    WHERE
        asked.id = :id AND other.queue = asked.queue
        AND other.status = 4 /* pending */ AND other.held IS NULL
        AND other.priority = asked.priority
        AND other.ready_at <= asked.ready_at
        AND (other.ready_at < asked.ready_at OR other.id < asked.id)
        AND (other.batch_id IS NULL OR other.batch_id NOT IN (
            SELECT id FROM batch INDEXED BY batch_stopped
            WHERE stopped IS NOT NULL AND finalized_at IS NULL
        ))
    LIMIT :limit
)
