-- The log lines of one job, in order.
SELECT job_id, fence, at, level, message, data FROM log_line WHERE job_id = :job_id ORDER BY id
