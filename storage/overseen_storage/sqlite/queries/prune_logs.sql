-- Delete the log lines of :ids (an array).
DELETE FROM log_line WHERE job_id IN (SELECT value FROM json_each(:ids))
