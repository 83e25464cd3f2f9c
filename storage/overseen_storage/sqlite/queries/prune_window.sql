-- Where a look at the next :window ended jobs of one status ends: the stamp of the last of them;
-- no row if there are not so many.
SELECT completed_at FROM job INDEXED BY job_ended
WHERE
    status = :status AND completed_at IS NOT NULL
    AND completed_at > :after AND completed_at < :before
ORDER BY completed_at LIMIT 1 OFFSET :window - 1
