-- How many jobs are running or cancelling.
SELECT count(*) FROM job INDEXED BY job_live WHERE status IN (5, 6)
